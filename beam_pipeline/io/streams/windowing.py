"""Parses windows as users write them: ``5m``, ``sliding:60:10``, ``session:30``."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.transforms.trigger import AccumulationMode

from beam_pipeline.flags import parse_duration
from transforms.sessions import GroupSessions

#: The syntax of `Windowing.parse`, for help and errors.
SYNTAX = "SECONDS (or 5m, 1h, 1d), sliding:SIZE:PERIOD or session:GAP"


@dataclass(frozen=True)
class Windowing:
    """How a stream is divided into windows.

    Attributes:
      kind: ``fixed``, ``sliding`` or ``session``.
      size: the size of a window, or the gap that ends a session, in seconds.
      period: the period of sliding windows, in seconds.
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
        """Parses windows.

        Raises:
          ValueError: the syntax is wrong.

        Example:
          >>> Windowing.parse("sliding:1m:10")
          Windowing(kind='sliding', size=60, period=10)
        """
        kind, *durations = text.split(":")
        if not durations:
            return cls("fixed", parse_duration(kind))
        if (kind, len(durations)) not in (("sliding", 2), ("session", 1)):
            raise ValueError(f"{text!r} is not {SYNTAX}")
        return cls(kind, *map(parse_duration, durations))

    def reach(self, allowed_lateness: int = 0) -> int:
        """Returns how many seconds before the end of complete windows other windows may begin.

        This is 0 for fixed windows and sessions of a whole stream, which do not overlap. With an
        allowed lateness, a complete window may get late messages from its start on.

        Args:
          allowed_lateness: as for `into`.
        """
        return (self.size if self.kind == "sliding" or allowed_lateness else 0) + allowed_lateness

    def into(self, allowed_lateness: int = 0) -> beam.PTransform[Any, Any]:
        """Returns the transform that assigns windows.

        Args:
          allowed_lateness: for how many seconds after the end of a window late elements are
            counted, in further panes; must be 0 for sessions.
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
