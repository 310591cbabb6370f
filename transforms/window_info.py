"""Adds to each record the window and pane in which it was counted."""

from typing import Any, NamedTuple, Optional

import apache_beam as beam
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow, IntervalWindow
from apache_beam.utils.timestamp import Timestamp

from transforms.expand import GroupedCount


class WindowedCount(NamedTuple):
    """A record of one pane of a window.

    Attributes:
      word: as in `AnagramCount`.
      count: how many words of the window, or of the pane, are anagrams of it.
      signature: as in `AnagramCount`.
      window_start: the start of the window; None for the global window.
      window_end: the end of the window; None for the global window.
      pane: the number of the pane, from 0.
      is_last: whether the runner knows that this is the last pane of the window.
    """

    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str
    window_start: Optional[Timestamp]  # noqa: UP045  # Beam's schemas do not know `X | None`
    window_end: Optional[Timestamp]  # noqa: UP045
    pane: int
    is_last: bool


class WindowedGroupCount(NamedTuple):
    """A record of one group of texts in one pane of a window.

    Attributes:
      group: as in `GroupedCount`.
      word, count, signature, window_start, window_end, pane, is_last: as in `WindowedCount`.
    """

    group: str
    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str
    window_start: Optional[Timestamp]  # noqa: UP045  # Beam's schemas do not know `X | None`
    window_end: Optional[Timestamp]  # noqa: UP045
    pane: int
    is_last: bool


for _record in (WindowedCount, WindowedGroupCount):
    registry.register_coder(_record, beam.coders.RowCoder)


class AddWindow(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Adds the window and the pane to each `AnagramCount` or `GroupedCount`."""

    def expand(self, records: PCollection[Any]) -> PCollection[Any]:
        is_grouped = records.element_type is GroupedCount
        windowed = WindowedGroupCount if is_grouped else WindowedCount
        add = beam.Map(_with_window, windowed).with_output_types(windowed)
        added: PCollection[Any] = records | "AddWindow" >> add
        return added


def _with_window(
    record: Any,
    windowed: Any,
    window: Any = beam.DoFn.WindowParam,
    pane: Any = beam.DoFn.PaneInfoParam,
) -> Any:
    start = window.start if isinstance(window, IntervalWindow) else None
    end = None if isinstance(window, GlobalWindow) else window.end
    return windowed(*record, start, end, max(pane.index, 0), pane.is_last)
