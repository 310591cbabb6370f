"""The base classes of all stages: retries, dead letters, totals."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.display import DisplayDataItem
from apache_beam.transforms.error_handling import ErrorHandler

from transforms.checks import check_type
from transforms.errors import AnagramError
from transforms.stages import beam_metrics, traffic
from transforms.stages.bundles import in_global_window
from transforms.stages.dead_letters import ClassCount, DeadLetter, DeadLetterPayload, location
from transforms.stages.error_handling import with_error_handler
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError, describe
from transforms.stages.schemas import are_plain_rows, fields_of, typed
from transforms.stages.side_outputs import DEAD_LETTERS, TOTALS, SideOutputs
from transforms.stages.totals import Count, DeadLetterCause, Totals
from transforms.stages.windows import per_window

_MAX_DISPLAYED = 200


@dataclass
class Stage(beam.PTransform[Any, Any]):
    """A step of the pipeline that can fail, be retried, and write dead letters.

    Attributes:
      resilience: how many attempts to make, and what to do when all have failed.
      side_outputs: receives totals and dead letters; without it totals are dropped, and settings
        that allow dead letters are refused.
      measures: the counts that stages of this kind always make; see
        `transforms.stages.totals.invariants`.
      takes_rows: whether elements may be generic rows, which are not of a class such as `Block`.

    Raises:
      TypeError: if a setting has a wrong type.
      ValueError: when applied, if there may be dead letters and no `side_outputs` to receive them.
    """

    resilience: Resilience = field(default_factory=Resilience, kw_only=True)
    side_outputs: SideOutputs | None = field(default=None, kw_only=True, compare=False, repr=False)
    measures: ClassVar[frozenset[Count]] = frozenset()
    takes_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__init__()
        check_type(Resilience, resilience=self.resilience)
        check_type(SideOutputs, type(None), side_outputs=self.side_outputs)

    @property
    def expects_dead_letters(self) -> bool:
        """Whether the stage's settings allow it to emit dead letters."""
        return self.resilience.on_error == "dead_letter"

    def with_error_handler(self, error_handler: ErrorHandler | None) -> "beam.PTransform[Any, Any]":
        """Passes elements that cannot be processed to one of Beam's error handlers, as `ErrorRow`s.

        Args:
          error_handler: receives the rows; None changes nothing.

        Returns:
          A transform that does not fail on such elements.
        """
        return with_error_handler(self, error_handler)

    def display_data(self) -> dict[str, DisplayDataItem]:
        """Returns the stage's settings, as runners show them."""
        settings = {item.name: getattr(self, item.name) for item in fields(self) if item.compare}
        del settings["resilience"]
        settings.update(
            on_error=self.resilience.on_error, max_attempts=self.resilience.max_attempts
        )
        return {
            name: DisplayDataItem(value if isinstance(value, int) else _displayed(value))
            for name, value in settings.items()
        }

    def apply_fn(
        self, elements: PCollection[Any], label: str, fn: beam.DoFn, element_type: Any
    ) -> PCollection[Any]:
        """Applies a function to `elements`, and adds its totals and dead letters to `side_outputs`.

        Args:
          elements: the input.
          label: the label of the step.
          fn: the function to apply.
          element_type: the type of the results.

        Returns:
          The results.
        """
        if not self.takes_rows and are_plain_rows(elements):
            raise TypeError(
                f"{type(self).__name__}: takes no rows (with the fields "
                f"{', '.join(fields_of(elements) or ())}); the steps in beam_pipeline.yaml do, and "
                "transforms.ExtractText takes the text out of rows"
            )
        if self.side_outputs is None and self.expects_dead_letters:
            raise ValueError(
                f"{type(self).__name__}: may emit dead letters, which would be lost: give "
                "side_outputs=SideOutputs() and take them from its dead_letters"
            )
        # The type is set on the main output only. If the function had it, Beam's run-time checks
        # would apply it to all outputs of the function.
        outputs = elements | label >> beam.ParDo(per_window(fn, elements)).with_output_types(
            Any
        ).with_outputs(TOTALS, DEAD_LETTERS, main="results")
        typed(outputs.results, element_type)
        if self.side_outputs is not None:
            self.side_outputs.add(
                outputs, self.measures, expects_dead_letters=self.expects_dead_letters
            )
        return outputs.results


def _displayed(value: Any) -> str:
    """Returns a setting as a runner can show it; it may be a whole text, or not valid UTF-8."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _MAX_DISPLAYED else f"{text[:_MAX_DISPLAYED]}..."


class StageFn(beam.DoFn):
    """The `DoFn` of a stage: it has the totals of the bundle, and emits dead letters.

    Attributes:
      totals: the totals of the bundle so far; they are emitted together with its results.
      writes_dead_letters: whether elements that cannot be processed become dead letters.
    """

    def __init__(self, resilience: Resilience):
        self._resilience = resilience
        self.writes_dead_letters = resilience.on_error == "dead_letter"

    def start_bundle(self) -> None:
        self.totals = Totals()

    def emit_totals(self, *retriers: Retrier) -> Iterator[TaggedOutput[str, Any]]:
        """Yields the totals of the bundle as an output, and adds them to Beam's metrics.

        Args:
          *retriers: the retriers of the stage, whose counts are added to the totals.
        """
        traffic.drain_into(self.totals)
        for retrier in retriers:
            retries, faults = retrier.drain_counts()
            if retries:
                self.totals.add(Count.RETRIES, retries)
            if faults:
                self.totals.add(Count.FAULTS_INJECTED, faults)
        if self.totals:
            beam_metrics.report_totals(self.totals)
            for value in in_global_window([self.totals]):
                yield TaggedOutput(TOTALS, value)

    def to_dead_letter(
        self, error: RetriesExhaustedError, payload: DeadLetterPayload, group: str | None = None
    ) -> TaggedOutput[str, Any]:
        """Returns `payload` as a dead letter, with its group if words are counted by group.

        Raises:
          AnagramError: the settings do not allow dead letters, so the run fails.
        """
        if not self.writes_dead_letters:
            raise AnagramError(f"{location(payload)}: {error}") from error
        letter = DeadLetter(error.stage, describe(error.cause), error.attempts, payload, group)
        return self.emit_dead_letter(letter)

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput[str, Any]:
        """Returns `letter` as an output, and counts it."""
        self.totals.add(Count.DEAD_LETTERS)
        cause = DeadLetterCause(letter.stage, letter.cause.partition(":")[0])
        self.totals.dead_letters_by_cause[cause] += 1
        if isinstance(letter.payload, ClassCount):
            self.totals.add(Count.WORDS_IN_DEAD_LETTERS, letter.payload.count)
        else:
            self.totals.add(Count.BLOCKS_IN_DEAD_LETTERS)
        return TaggedOutput(DEAD_LETTERS, letter)


class ElementFn(StageFn, abc.ABC):
    """The `DoFn` of a stage that processes each element separately."""

    def __init__(self, stage: str, resilience: Resilience):
        super().__init__(resilience)
        self._retrier = Retrier(stage, resilience)

    @abc.abstractmethod
    def process_element(self, element: Any) -> list[Any]:
        """Makes one attempt at `element` and returns its results. Must have no side effects."""

    @abc.abstractmethod
    def dead_letter_payload(self, element: Any) -> DeadLetterPayload:
        """Returns what to keep of an `element` at which all attempts have failed."""

    @abc.abstractmethod
    def count(self, element: Any, results: list[Any]) -> None:
        """Adds an `element` and the `results` of its last attempt to the totals."""

    def process(self, element: Any) -> list[Any]:
        # Some stages do this for every word, so the path without errors is as short as possible.
        try:
            if self._retrier.injects_faults:
                results = self._retrier.call_once(self.process_element, element)
            else:
                results = self.process_element(element)
        except Exception as error:
            try:
                results = self._retrier.retry(error, self.process_element, element)
            except RetriesExhaustedError as exhausted:
                return [self.to_dead_letter(exhausted, self.dead_letter_payload(element))]
        self.count(element, results)
        return results

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)
