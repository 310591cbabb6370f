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
from transforms.stages.dead_letters import ClassCount, DeadLetter, DeadLetterPayload, location
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError, describe
from transforms.stages.totals import CAUSE_PREFIX, DEAD_LETTERS, TOTALS, SideOutputs, Totals

_LONGEST_SHOWN = 200


@dataclass
class Stage(beam.PTransform):
    """A step of the pipeline that can fail, be retried, and put records aside.

    Attributes:
      resilience: how it deals with faults.
      side_outputs: where its totals and dead letters go; without one they are dropped.
    """

    resilience: Resilience = field(default_factory=Resilience, kw_only=True)
    side_outputs: SideOutputs | None = field(default=None, kw_only=True, compare=False, repr=False)

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
        if self.side_outputs is not None:
            self.side_outputs.add(outputs)
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

    def count_lengths(self, words: Mapping[int, int]) -> None:
        """Adds the number of `words` of each length to the totals; the last has all longer ones."""
        for length, number in words.items():
            self.totals[f"{metrics.LENGTH_PREFIX}{min(length, metrics.LONGEST_TOLD)}"] += number

    def emit_totals(self, *retriers: Retrier) -> Iterator[TaggedOutput]:
        """The totals of the bundle, as its output; also into Beam's metrics."""
        for retrier in retriers:
            retries, injected = retrier.drain_counts()
            if retries:
                self.totals["retries"] += retries
            if injected:
                self.totals["faults_injected"] += injected
        if self.totals:
            metrics.add(self.totals)
            for value in in_global_window([self.totals]):
                yield TaggedOutput(TOTALS, value)

    def to_dead_letter(
        self, error: RetriesExhaustedError, payload: DeadLetterPayload
    ) -> TaggedOutput:
        """-> `payload` as a dead letter.

        Raises:
          AnagramError: dead letters are not wanted.
        """
        if not self._is_forgiving:
            raise AnagramError(f"{location(payload)}: {error}") from error
        return self.emit_dead_letter(
            DeadLetter(error.stage, describe(error.cause), error.attempts, payload)
        )

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput:
        """-> `letter` on its way to the others, added to the totals."""
        self.totals["dead_letters"] += 1
        self.totals[f"{CAUSE_PREFIX}{letter.stage}: {letter.cause.split(':')[0]}"] += 1
        if isinstance(letter.payload, ClassCount):
            self.totals["words_dead"] += letter.payload.count
        else:
            self.totals["records_dead"] += 1
        return TaggedOutput(DEAD_LETTERS, letter)


class ElementFn(StageFn, abc.ABC):
    """A stage that works on each element alone."""

    def __init__(self, stage: str, resilience: Resilience):
        super().__init__(resilience)
        self._retrier = Retrier(stage, resilience)

    @abc.abstractmethod
    def process_element(self, element: Any) -> list[Any]:
        """One attempt at `element` -> its results. Changes nothing else."""

    @abc.abstractmethod
    def dead_letter_payload(self, element: Any) -> DeadLetterPayload:
        """What is put aside when the attempts at `element` are spent."""

    @abc.abstractmethod
    def count(self, element: Any, results: list[Any]) -> None:
        """Adds what the last attempt at `element` has given to the totals."""

    def process(self, element: Any) -> list[Any]:
        # Some stages do this for each word: as long as nothing fails, nothing else is in the way.
        try:
            chaotic = self._retrier.is_chaotic
            results = (
                self._retrier.call_once(self.process_element, element)
                if chaotic
                else self.process_element(element)
            )
        except Exception as error:
            try:
                results = self._retrier.retry(error, self.process_element, element)
            except RetriesExhaustedError as spent:
                return [self.to_dead_letter(spent, self.dead_letter_payload(element))]
        self.count(element, results)
        return results

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.emit_totals(self._retrier)
