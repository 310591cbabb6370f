"""Says of each record in which window and pane it was counted."""

from typing import Any, NamedTuple, Optional

import apache_beam as beam
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow, IntervalWindow
from apache_beam.utils.timestamp import Timestamp

from transforms.expand import AnagramCount


class WindowedCount(NamedTuple):
    """A record of one pane of a window.

    Attributes:
      word: as in `AnagramCount`.
      count: how many words of the window, or of the pane, are anagrams of it.
      signature: as in `AnagramCount`.
      window_start: when the window begins; None for the global window.
      window_end: when it ends; None for the global window.
      pane: the number of the pane, from 0.
      is_last: whether the runner knows that no other pane of the window follows.
    """

    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str
    window_start: Optional[Timestamp]  # noqa: UP045  # Beam's schemas do not know `X | None`
    window_end: Optional[Timestamp]  # noqa: UP045
    pane: int
    is_last: bool


registry.register_coder(WindowedCount, beam.coders.RowCoder)


class AddWindow(beam.PTransform[PCollection[AnagramCount], PCollection[WindowedCount]]):
    """Adds the window and the pane to each record."""

    def expand(self, records: PCollection[AnagramCount]) -> PCollection[WindowedCount]:
        add = beam.Map(_with_window).with_output_types(WindowedCount)
        added: PCollection[WindowedCount] = records | "AddWindow" >> add
        return added


def _with_window(
    record: AnagramCount,
    window: Any = beam.DoFn.WindowParam,
    pane: Any = beam.DoFn.PaneInfoParam,
) -> WindowedCount:
    start = window.start if isinstance(window, IntervalWindow) else None
    end = None if isinstance(window, GlobalWindow) else window.end
    return WindowedCount(*record, start, end, max(pane.index, 0), pane.is_last)
