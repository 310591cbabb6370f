"""Support for Beam's error handlers, which receive dead letters as rows with a schema."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Protocol, TypeVar

import apache_beam as beam
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import PCollection
from apache_beam.transforms.error_handling import ErrorHandler

from transforms.checks import check_type
from transforms.stages.dead_letters import DeadLetter, to_json
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs


class ErrorRow(NamedTuple):
    """A dead letter as a row with a schema, for sinks of any kind.

    Attributes:
      element: the dead letter as a line of JSON; a file of such lines can be replayed.
      msg: the last error, in one line.
      stage: the stage that gave up, one of `transforms.stages.chaos.STAGES`.
      attempts: the number of attempts.
      source: the file it comes from, if any.
      offset: its position in the file, in bytes.
    """

    element: str
    msg: str
    stage: str
    attempts: int
    source: Optional[str]  # noqa: UP045  # Beam's schemas do not know `str | None`
    offset: Optional[int]  # noqa: UP045


registry.register_coder(ErrorRow, beam.coders.RowCoder)


def to_error_row(letter: DeadLetter, settings: Mapping[str, Any]) -> ErrorRow:
    """Returns a dead letter as a row.

    Args:
      letter: the dead letter.
      settings: the settings of the run that decide how its words are counted.
    """
    payload = letter.payload
    offset = getattr(payload, "offset", getattr(payload, "start", None))
    return ErrorRow(
        to_json(letter, settings),
        letter.cause,
        letter.stage,
        letter.attempts,
        getattr(payload, "source", None),
        offset,
    )


class Fallible(Protocol):
    """A transform that consists of stages, with their settings for failures."""

    label: str
    resilience: Resilience
    side_outputs: SideOutputs | None


T = TypeVar("T", bound=Fallible)


def with_error_handler(
    transform: T, error_handler: ErrorHandler | None, settings: Mapping[str, Any] | None = None
) -> "T | HandleErrors":
    """Returns a transform that passes elements that it cannot process to an error handler.

    Args:
      transform: a `Stage`, or a composite of stages.
      error_handler: Beam's error handler; None changes nothing.
      settings: the settings of the transform that decide how words are counted, for replays.
    """
    if error_handler is None:
        return transform
    return HandleErrors(transform, error_handler, settings or {})


class HandleErrors(beam.PTransform[Any, Any]):
    """Applies a transform, whose dead letters become `ErrorRow`s of an error handler.

    If the transform has `SideOutputs`, they also receive its totals and dead letters, as usual.
    """

    def __init__(
        self,
        transform: Fallible,
        error_handler: ErrorHandler,
        settings: Mapping[str, Any],
    ):
        super().__init__(transform.label)
        check_type(ErrorHandler, error_handler=error_handler)
        self._error_handler = error_handler
        self._settings = dict(settings)
        self._side_outputs = SideOutputs()
        self._given = transform.side_outputs
        self._transform = copy.copy(transform)
        self._transform.side_outputs = self._side_outputs
        self._transform.resilience = dataclasses.replace(
            transform.resilience, on_error="dead_letter"
        )

    def expand(self, elements: Any) -> PCollection[Any]:
        results: PCollection[Any] = elements | self._transform
        rows = (
            tuple(self._side_outputs.dead_letters)
            | "DeadLetters" >> beam.Flatten()
            | "ToErrorRow" >> beam.Map(to_error_row, self._settings).with_output_types(ErrorRow)
        )
        self._error_handler.add_error_pcollection(rows)
        if self._given is not None:
            self._given.include(self._side_outputs)
        return results
