"""What all stages have in common: attempts, dead letters, totals."""

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.display import DisplayDataItem

from transforms.errors import AnagramError
from transforms.stages import metrics
from transforms.stages.bundles import in_global_window
from transforms.stages.dead_letters import ClassCount, DeadLetter, Record, place
from transforms.stages.retry import Attempts, Resilience, SpentError, describe
from transforms.stages.totals import CAUSE_PREFIX, DEAD_LETTERS, TOTALS, Ledger, Totals

_LONGEST_SHOWN = 200


@dataclass
class Stage(beam.PTransform):
    """A step of the pipeline that can fail, be retried, and put records aside.

    Attributes:
      resilience: how it deals with faults.
      ledger: where its totals and dead letters go; without one they are dropped.
    """

    resilience: Resilience = field(default_factory=Resilience, kw_only=True)
    ledger: Ledger | None = field(default=None, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__init__()

    def display_data(self) -> dict[str, DisplayDataItem]:
        """The settings, as runners show them."""
        settings = {item.name: getattr(self, item.name) for item in fields(self) if item.compare}
        del settings["resilience"]
        settings.update(
            on_error=self.resilience.on_error, max_attempts=self.resilience.max_attempts
        )
        return {
            name: DisplayDataItem(value if isinstance(value, int) else _shown(value))
            for name, value in settings.items()
        }

    def run(self, elements: PCollection, label: str, fn: "StageFn", result: Any) -> PCollection:
        """Applies `fn`, under `label`; its results are of the type `result`."""
        outputs = elements | label >> beam.ParDo(fn).with_output_types(result).with_outputs(
            TOTALS, DEAD_LETTERS, main="results"
        )
        if self.ledger is not None:
            self.ledger.enter(outputs)
        return outputs.results


def _shown(value: Any) -> str:
    """A setting, which may be a whole text, and not valid UTF-8, as a runner can show it."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


class StageFn(beam.DoFn):
    """What a stage's function has: totals of the bundle, and a way to put records aside.

    Attributes:
      totals: of the bundle so far; they leave it together with its results.
    """

    def __init__(self, resilience: Resilience):
        self._is_forgiving = resilience.on_error == "dead_letter"

    def start_bundle(self) -> None:
        self.totals: Totals = Totals()

    def note_lengths(self, words: Mapping[int, int]) -> None:
        """Adds the number of `words` of each length to the totals; the last has all longer ones."""
        for length, number in words.items():
            self.totals[f"{metrics.LENGTH_PREFIX}{min(length, metrics.LONGEST_TOLD)}"] += number

    def told(self, *all_attempts: Attempts) -> Iterator[TaggedOutput]:
        """The totals of the bundle, as its output; also into Beam's metrics."""
        for attempts in all_attempts:
            retries, injected = attempts.take()
            if retries:
                self.totals["retries"] += retries
            if injected:
                self.totals["faults_injected"] += injected
        if self.totals:
            metrics.add(self.totals)
            for value in in_global_window([self.totals]):
                yield TaggedOutput(TOTALS, value)

    def put_aside(self, error: SpentError, record: Record) -> TaggedOutput:
        """-> `record` as a dead letter.

        Raises:
          AnagramError: dead letters are not wanted.
        """
        if not self._is_forgiving:
            raise AnagramError(f"{place(record)}: {error}") from error
        return self.dead(DeadLetter(error.stage, describe(error.cause), error.attempts, record))

    def dead(self, letter: DeadLetter) -> TaggedOutput:
        """-> `letter` on its way to the others, added to the totals."""
        self.totals["dead_letters"] += 1
        self.totals[f"{CAUSE_PREFIX}{letter.stage}: {letter.cause.split(':')[0]}"] += 1
        if isinstance(letter.record, ClassCount):
            self.totals["words_dead"] += letter.record.count
        else:
            self.totals["records_dead"] += 1
        return TaggedOutput(DEAD_LETTERS, letter)


class ElementFn(StageFn, abc.ABC):
    """A stage that works on each element alone."""

    def __init__(self, stage: str, resilience: Resilience):
        super().__init__(resilience)
        self._attempts = Attempts(stage, resilience)

    @abc.abstractmethod
    def work(self, element: Any) -> list[Any]:
        """One attempt at `element` -> its results. Changes nothing else."""

    @abc.abstractmethod
    def record(self, element: Any) -> Record:
        """What is put aside when the attempts at `element` are spent."""

    @abc.abstractmethod
    def note(self, element: Any, results: list[Any]) -> None:
        """Adds what the last attempt at `element` has given to the totals."""

    def process(self, element: Any) -> list[Any]:
        # Some stages do this for each word: as long as nothing fails, nothing else is in the way.
        try:
            chaotic = self._attempts.is_chaotic
            results = self._attempts.once(self.work, element) if chaotic else self.work(element)
        except Exception as error:
            try:
                results = self._attempts.again(error, self.work, element)
            except SpentError as spent:
                return [self.put_aside(spent, self.record(element))]
        self.note(element, results)
        return results

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.told(self._attempts)
