"""Windows as users write them: ``5m``, ``sliding:60:10``, ``session:30``."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.coders.coders import Coder, IntervalWindowCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms import window
from apache_beam.transforms.trigger import AccumulationMode
from apache_beam.transforms.window import BoundedWindow

from beam_pipeline.flags import parse_duration

#: What `Windowing.parse` takes, for help and errors.
SYNTAX = "SECONDS (or 5m, 1h, 1d), sliding:SIZE:PERIOD or session:GAP"


@dataclass(frozen=True)
class Windowing:
    """How a stream is divided into windows.

    Attributes:
      kind: ``fixed``, ``sliding`` or ``session``.
      size: of a window, or the pause that ends a session, in seconds.
      period: from the start of a sliding window to that of the next, in seconds.
    """

    kind: str
    size: int
    period: int = 0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("a window must have a second or more")
        if self.kind == "sliding" and not 1 <= self.period <= self.size:
            raise ValueError("the period must be from 1 to the size of a window")

    @classmethod
    def parse(cls, text: str) -> "Windowing":
        """Returns the windows that a user means.

        Raises:
          ValueError: they are not understood.

        Example:
          >>> Windowing.parse("sliding:1m:10")
          Windowing(kind='sliding', size=60, period=10)
        """
        kind, *durations = text.split(":")
        if not durations:
            return cls("fixed", parse_duration(kind))
        if (kind, len(durations)) not in (("sliding", 2), ("session", 1)):
            raise ValueError(f"is not {SYNTAX}")
        return cls(kind, *map(parse_duration, durations))

    @property
    def reach(self) -> int:
        """How long before the end of complete windows others may begin, in seconds.

        Fixed windows follow each other, and so do sessions of a whole stream.
        """
        return self.size if self.kind == "sliding" else 0

    def into(self, allowed_lateness: int = 0) -> beam.PTransform[Any, Any]:
        """Returns the transform that puts elements into windows.

        Args:
          allowed_lateness: for how long behind its end late elements of a window are counted, in
            a pane of their own, in seconds.
        """
        fn: window.WindowFn
        if self.kind == "fixed":
            fn = window.FixedWindows(self.size)
        elif self.kind == "sliding":
            fn = window.SlidingWindows(self.size, self.period)
        else:
            fn = window.Sessions(self.size)
        into = beam.WindowInto(
            fn, accumulation_mode=AccumulationMode.DISCARDING, allowed_lateness=allowed_lateness
        )
        return MergeSessions(into) if self.kind == "session" else into


@dataclass
class MergeSessions(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Puts elements into sessions of the whole stream.

    Beam merges windows for each key by itself, so that each anagram class would have sessions of
    its own. Here all have one key; the elements of a session are held until it is over.

    Attributes:
      into: puts elements into the windows that are to be merged.
    """

    into: beam.WindowInto

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, elements: PCollection[Any]) -> PCollection[Any]:
        merged: PCollection[Any] = (
            elements
            | "WindowEach" >> self.into
            | "OneKey" >> beam.WithKeys(None)
            | "MergeWindows" >> beam.GroupByKey()
            | "Elements" >> beam.FlatMap(_values)
            | "KeepWindows" >> beam.WindowInto(KeepWindows())
        )
        merged.element_type = elements.element_type
        return merged


def _values(group: tuple[None, Iterable[Any]]) -> Iterable[Any]:
    return group[1]


class KeepWindows(window.NonMergingWindowFn):
    """Leaves elements in the windows that they are in, which do not merge any more."""

    def assign(self, assign_context: window.WindowFn.AssignContext) -> list[BoundedWindow]:
        """Returns the window of an element."""
        assert assign_context.window is not None
        return [assign_context.window]

    def get_window_coder(self) -> Coder:
        """Returns the coder of windows with a start and an end."""
        return IntervalWindowCoder()
