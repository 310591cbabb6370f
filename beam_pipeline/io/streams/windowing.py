"""Windows as users write them: ``5m``, ``sliding:60:10``, ``session:30``."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.transforms.trigger import AccumulationMode

from beam_pipeline.flags import parse_duration
from transforms.sessions import GroupSessions

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
            a pane of their own, in seconds; sessions have none.
        """
        if self.kind == "session":
            return GroupSessions(self.size)
        fn = (
            window.FixedWindows(self.size)
            if self.kind == "fixed"
            else window.SlidingWindows(self.size, self.period)
        )
        return beam.WindowInto(
            fn, accumulation_mode=AccumulationMode.DISCARDING, allowed_lateness=allowed_lateness
        )
