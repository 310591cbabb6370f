"""Writes records of windows: one file for each window and pane.

Records, dead letters and totals of a window are grouped under one key, so that one worker has all
of them, and panes have one sequence for all words of the window. It sorts and merges the records,
writes them beside their final place, checks the totals, and renames the file. All of this depends
on nothing but the group, so a bundle that is repeated writes the same bytes to the same path.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import apache_beam as beam
import numpy as np
import pyarrow
from apache_beam.coders.coders import GlobalWindowCoder, IntervalWindowCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterCount,
    AfterProcessingTime,
    AfterWatermark,
    DefaultTrigger,
    TriggerFn,
)
from apache_beam.transforms.window import BoundedWindow, GlobalWindow, GlobalWindows
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfoTiming, WindowedValue

from beam_pipeline.errors import DeadLettersError, OutputError
from beam_pipeline.io.exchange import WrittenFile, remove
from beam_pipeline.io.formats import FORMATS
from beam_pipeline.io.naming import new_token, window_path
from beam_pipeline.io.publishing import publish_alone
from beam_pipeline.io.sorting import sort
from beam_pipeline.io.writing import FileWriter, dead_letter_line
from transforms.columns.tables import RecordColumns, from_bytes, records_table, take, to_bytes
from transforms.errors import AnagramError
from transforms.expand import AnagramCount
from transforms.stages import beam_metrics
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count, Totals, invariants
from transforms.stages.windows import (
    SetWindowing,
    has_panes,
    is_accumulating,
    is_merging,
    with_trigger,
)

#: What a part of a window is; see `_Part`.
_RECORDS, _DEAD_LETTER, _TOTALS = range(3)
#: The kind of a part; for records the pane that they were counted in; and the part as bytes.
_Part = tuple[int, int, bytes]
#: All parts of a window have one key.
_Keyed = tuple[int, _Part]

#: What only stages behind the assignment of windows count. What they pass on cannot be compared
#: with what was read before it: sliding windows have every element more than once.
_MEASURED_IN_WINDOWS = frozenset(
    {
        *(Count.WORDS, Count.WORDS_KEYED, Count.WORDS_COUNTED, Count.WORDS_MATCHED),
        *(Count.RECORDS_TO_WRITE, Count.RECORDS_WRITTEN),
    }
)
_TIMINGS = {
    PaneInfoTiming.EARLY: "early",
    PaneInfoTiming.ON_TIME: "on time",
    PaneInfoTiming.LATE: "late",
    PaneInfoTiming.UNKNOWN: "unknown",
}


class PublishedPane(NamedTuple):
    """What there was in a pane of a window, once its files are published.

    Attributes:
      window_start: when the window begins; None for the global window.
      window_end: when it ends; None for the global window.
      pane: the number of the pane, from 0.
      timing: ``early``, ``on time``, ``late`` or ``unknown``.
      path: of the file of records; None if there are no records.
      dead_letters_path: of the file of dead letters; None if there are none.
      records: how many are in the file.
      words_late: how many words came too late to be counted, as far as is known.
      totals: of all stages.
    """

    window_start: Optional[Timestamp]  # noqa: UP045  # Beam's schemas do not know `X | None`
    window_end: Optional[Timestamp]  # noqa: UP045
    pane: int
    timing: str
    path: Optional[str]  # noqa: UP045
    dead_letters_path: Optional[str]  # noqa: UP045
    records: int
    words_late: int
    totals: Totals

    def to_json(self) -> str:
        """Returns the pane as one line of JSON."""
        fields = {
            "window_start": _text(self.window_start),
            "window_end": _text(self.window_end),
            "pane": self.pane,
            "timing": self.timing,
            "path": self.path,
            "dead_letters_path": self.dead_letters_path,
            "records": self.records,
            "messages": self.totals[Count.BLOCKS_PROCESSED],
            "words": self.totals[Count.WORDS],
            "words_late": self.words_late,
            "dead_letters": self.totals[Count.DEAD_LETTERS],
            "published": round(time.time(), 3),
        }
        return json.dumps(fields) + "\n"


def _text(time: Timestamp | None) -> str | None:
    return None if time is None else time.to_rfc3339()


@dataclass(kw_only=True)
class WriteWindows(beam.PTransform[PCollection[Any], PCollection[PublishedPane]]):
    """Writes one file for each window and pane that has records; see `WriteResults`.

    A window has one pane, unless it has a trigger or an allowed lateness. The records of its panes
    come when the runner groups them, each signature by itself, so they are grouped once more, for
    the file. This pane has what has come since the last one or, if panes accumulate, everything
    that is known of the window. The pane that is on time has all that was counted on time.

    With `side_outputs`, the totals in it must agree before a file is published or, if there may be
    several panes, when a window is over on time. Behind a trigger whose panes accumulate they are
    not checked, as stages count words again in each pane. Words that a runner drops because they
    are too late are no error on unbounded input, and counted as far as the totals of their bundle
    were not too late themselves.

    Attributes:
      folder: where the files will be.
      format: one of `FORMATS`.
      dead_letters: the folder for files of dead letters. None: the caller takes dead letters from
        `side_outputs`. Empty: there must not be any.
      gather_seconds: how long, in whole seconds of processing time, records of early and late panes
        are gathered.
      window_log: the folder for a JSON file about each pane; empty for none.
      settings, token, chunk_records, threads, sort, source_names: as `WriteResults` has them.
      resilience: how often to try to write a file.
      side_outputs: of the stages before.

    Raises:
      ValueError: when applied: windows merge or have no ends, or stages may emit dead letters and
        `dead_letters` is empty.
      OutputError, DeadLettersError: when it runs: a file cannot be written.
      AnagramError: when it runs: the totals of a window do not agree.
    """

    folder: str
    format: str
    dead_letters: str | None = ""
    gather_seconds: int = 10
    window_log: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default_factory=new_token)
    chunk_records: int = 1 << 16
    threads: int = 1
    sort: str = "word"
    source_names: Mapping[str, str] = field(default_factory=dict)
    resilience: Resilience = field(default_factory=Resilience)
    side_outputs: SideOutputs | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, records: PCollection[Any]) -> PCollection[PublishedPane]:
        _check_windows(records)
        outputs = self.side_outputs or SideOutputs()
        if self.dead_letters == "" and outputs.expects_dead_letters:
            raise ValueError(
                "WriteResults: stages may emit dead letters, which would be lost: give "
                "dead_letters=FOLDER, or None and take them from side_outputs.dead_letters"
            )
        letters = outputs.dead_letters if self.dead_letters else []
        collected = records | "CollectRecords" >> beam.ParDo(_CollectFn(self, records))
        totals = [
            each | f"PackTotals{number}" >> beam.Map(_pack_totals)
            for number, each in enumerate(outputs.totals)
            if _have_same_windows(each, records)
        ]
        packed = [
            each
            | f"PackDeadLetters{number}" >> beam.Map(_pack_letter, self.settings, self.source_names)
            for number, each in enumerate(letters)
            if _have_same_windows(each, records)
        ]
        trigger = self._trigger(records)
        published = self._write([collected, *totals, *packed], records, trigger, "Windows", outputs)
        elsewhere = [each for each in letters if not _have_same_windows(each, records)]
        if elsewhere:
            self._write_unwindowed(elsewhere)
        if has_panes(records) and not (_has_early_panes(records) and is_accumulating(records)):
            counted = published | "TotalsWritten" >> beam.Map(_pack_written)
            _check_over(
                [collected | "OnlyTotals" >> beam.Filter(_are_totals), *totals, counted],
                records,
                _measured(outputs),
            )
        return published

    def _trigger(self, records: PCollection[Any]) -> TriggerFn:
        if not has_panes(records):
            return DefaultTrigger()
        gather = AfterProcessingTime(self.gather_seconds)
        return AfterWatermark(early=gather if _has_early_panes(records) else None, late=gather)

    def _write(
        self,
        parts: Sequence[PCollection[_Keyed]],
        like: PCollection[Any],
        trigger: TriggerFn,
        label: str,
        outputs: SideOutputs,
    ) -> PCollection[PublishedPane]:
        write = beam.ParDo(_WriteFn(self, like, trigger, _measured(outputs)))
        written: PCollection[PublishedPane] = _grouped(
            parts, like, trigger, label
        ) | f"Write{label}" >> write.with_output_types(PublishedPane)
        return written

    def _write_unwindowed(self, letters: Sequence[PCollection[DeadLetter]]) -> None:
        """Writes dead letters of stages before the windows, such as those that read."""
        for each in letters:
            if not isinstance(each.windowing.windowfn, GlobalWindows):
                raise ValueError(
                    "WriteResults: dead letters are in other windows than records, and not in the "
                    "global one; give dead_letters=None and take them from side_outputs"
                )
        packed = [
            each
            | f"PackUnwindowed{number}" >> beam.Map(_pack_letter, self.settings, self.source_names)
            for number, each in enumerate(letters)
        ]
        trigger: TriggerFn = DefaultTrigger()
        if not all(each.is_bounded for each in letters):
            trigger = AfterWatermark(early=AfterProcessingTime(self.gather_seconds))
        self._write(packed, letters[0], trigger, "Unwindowed", SideOutputs())


def _check_windows(records: PCollection[Any]) -> None:
    if is_merging(records):
        raise ValueError(
            "WriteResults: where windows merge, as sessions do, each signature has its own, and "
            "would need files of its own; count sessions of the whole text (GroupSessions), or "
            "put the records into other windows, such as FixedWindows"
        )
    coder = records.windowing.windowfn.get_window_coder()
    if not isinstance(coder, (GlobalWindowCoder, IntervalWindowCoder)):
        raise ValueError(
            f"WriteResults: names files by the start and the end of windows, which those of "
            f"{type(records.windowing.windowfn).__name__} do not have"
        )


def _has_early_panes(records: PCollection[Any]) -> bool:
    return not isinstance(records.windowing.triggerfn, DefaultTrigger)


def _have_same_windows(elements: PCollection[Any], records: PCollection[Any]) -> bool:
    same: bool = elements.windowing.windowfn == records.windowing.windowfn
    return same


def _measured(outputs: SideOutputs) -> frozenset[Count]:
    """Returns what is counted within windows and can be compared there."""
    measured = {*outputs.measured, Count.RECORDS_TO_WRITE, Count.RECORDS_WRITTEN}
    return frozenset(measured & _MEASURED_IN_WINDOWS)


def _grouped(
    parts: Sequence[PCollection[_Keyed]],
    like: PCollection[Any],
    trigger: TriggerFn,
    label: str,
    *,
    mode: Any = None,
) -> PCollection[tuple[int, Iterable[_Part]]]:
    """Groups all parts of a window, whenever the trigger says."""
    if mode is None:
        accumulates = is_accumulating(like)
        mode = AccumulationMode.ACCUMULATING if accumulates else AccumulationMode.DISCARDING
    windowing = with_trigger(like, trigger, mode)
    aligned = [
        each | f"Set{label}Trigger{number}" >> SetWindowing(windowing, _Keyed)
        for number, each in enumerate(parts)
    ]
    grouped: PCollection[tuple[int, Iterable[_Part]]] = (
        aligned
        | f"All{label}" >> beam.Flatten().with_output_types(_Keyed)
        | f"Group{label}" >> beam.GroupByKey()
    )
    return grouped


def _check_over(
    totals: Sequence[PCollection[_Keyed]], records: PCollection[Any], measured: frozenset[Count]
) -> None:
    """Checks the totals of windows that have several panes, when they are over on time."""
    trigger = AfterWatermark(late=AfterCount(1))
    (
        _grouped(totals, records, trigger, "Totals", mode=AccumulationMode.DISCARDING)
        | "CheckTotals" >> beam.ParDo(_CheckFn(measured, may_drop=not records.is_bounded))
    )


def _pack_totals(totals: Totals) -> _Keyed:
    return 0, (_TOTALS, 0, json.dumps(totals.to_json()).encode())


def _pack_letter(
    letter: DeadLetter, settings: Mapping[str, Any], source_names: Mapping[str, str]
) -> _Keyed:
    return 0, (_DEAD_LETTER, 0, dead_letter_line(letter, settings, source_names))


def _pack_written(pane: PublishedPane) -> _Keyed:
    totals = Totals()
    totals.add(Count.RECORDS_WRITTEN, pane.totals[Count.RECORDS_WRITTEN])
    return _pack_totals(totals)


def _are_totals(keyed: _Keyed) -> bool:
    return keyed[1][0] == _TOTALS


def _unpack_totals(data: bytes) -> Totals:
    return Totals.from_json(json.loads(data))


class _CollectFn(beam.DoFn):
    """Makes sorted tables of the records of each window, and counts them."""

    def __init__(self, sink: WriteWindows, records: PCollection[Any]):
        self._order, self._max_rows = sink.sort, sink.chunk_records
        self._columns = list(FORMATS[sink.format].columns)
        self._is_accumulating = is_accumulating(records)

    def start_bundle(self) -> None:
        self._rows: dict[tuple[BoundedWindow, int], list[AnagramCount]] = {}
        self._counts: dict[BoundedWindow, int] = {}

    def process(
        self,
        element: AnagramCount | RecordColumns,
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[_Keyed]:
        index = max(pane.index, 0) if self._is_accumulating else 0
        if isinstance(element, RecordColumns):
            yield self._part(window, index, from_bytes(element.data))
            return
        rows = self._rows.setdefault((window, index), [])
        rows.append(element)
        if len(rows) >= self._max_rows:
            del self._rows[window, index]
            yield self._part(window, index, _table_of(rows))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for (window, index), rows in self._rows.items():
            yield _at_end(self._part(window, index, _table_of(rows)), window)
        for window, number in self._counts.items():
            totals = Totals()
            totals.add(Count.RECORDS_TO_WRITE, number)
            yield _at_end(_pack_totals(totals), window)

    def _part(self, window: BoundedWindow, index: int, table: pyarrow.Table) -> _Keyed:
        self._counts[window] = self._counts.get(window, 0) + table.num_rows
        table = sort(table.select(self._columns), self._order)
        return 0, (_RECORDS, index, to_bytes(table))


def _table_of(rows: Sequence[AnagramCount]) -> pyarrow.Table:
    return records_table(*zip(*((row.word, row.count, row.signature) for row in rows), strict=True))


def _at_end(value: _Keyed, window: BoundedWindow) -> WindowedValue:
    return WindowedValue(value, window.max_timestamp(), (window,))


class _WriteFn(beam.DoFn):
    """Writes and publishes the files of a pane."""

    def __init__(
        self,
        sink: WriteWindows,
        like: PCollection[Any],
        trigger: TriggerFn,
        measured: frozenset[Count],
    ):
        self._folder, self._letters_folder = sink.folder, sink.dead_letters or ""
        self._log, self._format, self._order = sink.window_log, sink.format, sink.sort
        self._writer = FileWriter(
            sink.token, sink.format, sink.sort, sink.chunk_records, sink.threads
        )
        self._retrier = Retrier("write", sink.resilience)
        self._has_panes = not isinstance(trigger, DefaultTrigger)
        self._is_accumulating = is_accumulating(like)
        self._may_drop = not like.is_bounded
        self._measured = measured

    def process(
        self,
        group: tuple[int, Iterable[_Part]],
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[PublishedPane]:
        totals = Totals()
        chunks: list[tuple[int, pyarrow.Table]] = []
        lines: list[bytes] = []
        for kind, index, data in group[1]:
            if kind == _RECORDS:
                chunks.append((index, from_bytes(data)))
            elif kind == _DEAD_LETTER:
                lines.append(data)
            else:
                totals.merge(_unpack_totals(data))
        if totals or chunks or lines:  # else a pane without elements, as some triggers make them
            yield self._published(totals, chunks, lines, window, pane)

    def _published(
        self,
        totals: Totals,
        chunks: Sequence[tuple[int, pyarrow.Table]],
        lines: Sequence[bytes],
        window: BoundedWindow,
        pane: Any,
    ) -> PublishedPane:
        name = _Name.of(window, max(pane.index, 0) if self._has_panes else None)
        files: list[WrittenFile] = []
        path = letters_path = None
        records = late = 0
        try:
            if lines:  # first: there must be no result without those that belong to it
                letters_path = name.path(self._letters_folder, "jsonl")
                try:
                    files.append(self._written_lines(letters_path, sorted(lines)))
                except OutputError as error:
                    raise DeadLettersError(str(error)) from error
            if chunks:
                path = name.path(self._folder, self._format)
                tables = self._merged(chunks)
                written, records = self._written_records(path, tables)
                files.append(written)
                merged_away = _rows(table for _, table in chunks) - _rows(tables)
                totals.add(Count.RECORDS_WRITTEN, merged_away + records)
            if not self._has_panes:  # else not all of its totals may have come
                late = check_window(totals, self._measured, name.text, may_drop=self._may_drop)
            for file in files:
                self._publish(file, letters_path)
        except BaseException:
            remove(file.temporary for file in files)
            raise
        return self._told(
            PublishedPane(
                name.start,
                name.end,
                name.pane or 0,
                _TIMINGS[pane.timing],
                path,
                letters_path,
                records,
                late,
                totals,
            ),
            name,
        )

    def _told(self, published: PublishedPane, name: "_Name") -> PublishedPane:
        retries, faults = self._retrier.drain_counts()
        counted = Totals()
        if retries:
            counted.add(Count.RETRIES, retries)
        if faults:
            counted.add(Count.FAULTS_INJECTED, faults)
        beam_metrics.report_totals(counted)
        published.totals.merge(counted)
        beam_metrics.RECORDS_PUBLISHED.inc(published.records)
        if published.path is not None:
            beam_metrics.WINDOWS_PUBLISHED.inc()
        if self._log:
            path = name.path(self._log, "json")
            line = self._written_lines(path, [published.to_json().encode()])
            publish_alone(line, self._retrier, token=self._writer.token)
        return published

    def _merged(self, chunks: Sequence[tuple[int, pyarrow.Table]]) -> list[pyarrow.Table]:
        """Returns tables that have each word once."""
        tables = [table for _, table in chunks]
        if not self._has_panes or len(tables) < 2:
            return tables
        return latest_counts(chunks) if self._is_accumulating else added_counts(tables, self._order)

    def _written_records(
        self, path: str, tables: Sequence[pyarrow.Table]
    ) -> tuple[WrittenFile, int]:
        try:
            return self._retrier(self._writer.write_records, path, tables)
        except RetriesExhaustedError as error:
            raise OutputError(f"{path}: cannot be written: {error}") from error

    def _written_lines(self, path: str, lines: Sequence[bytes]) -> WrittenFile:
        try:
            return self._retrier(self._writer.write_lines, path, lines)
        except RetriesExhaustedError as error:
            raise OutputError(f"{path}: cannot be written: {error}") from error

    def _publish(self, file: WrittenFile, letters_path: str | None) -> None:
        try:
            publish_alone(file, self._retrier, token=self._writer.token)
        except OutputError as error:
            if file.final == letters_path:
                raise DeadLettersError(str(error)) from error
            raise


class _Name(NamedTuple):
    """What the files of a pane are named by; see `beam_pipeline.io.naming.window_name`."""

    start: Timestamp | None
    end: Timestamp | None
    pane: int | None

    @classmethod
    def of(cls, window: Any, pane: int | None) -> "_Name":
        if isinstance(window, GlobalWindow):
            return cls(None, None, pane)
        return cls(window.start, window.end, pane)

    @property
    def text(self) -> str:
        if self.start is None or self.end is None:
            return "the global window"
        return f"the window from {_text(self.start)} to {_text(self.end)}"

    def path(self, folder: str, extension: str) -> str:
        return window_path(folder, extension, self.start, self.end, self.pane)


class _CheckFn(beam.DoFn):
    """Checks all totals of a window that is over."""

    def __init__(self, measured: frozenset[Count], *, may_drop: bool):
        self._measured, self._may_drop = measured, may_drop

    def process(
        self,
        group: tuple[int, Iterable[_Part]],
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> None:
        # What comes late is counted one part after the other: its totals agree only at the end.
        if pane.timing != PaneInfoTiming.ON_TIME:
            return
        totals = Totals()
        for _, _, data in group[1]:
            totals.merge(_unpack_totals(data))
        name = _Name.of(window, None).text
        check_window(totals, self._measured, name, may_drop=self._may_drop)


def check_window(
    totals: Totals, measured: Iterable[Count], name: str, *, may_drop: bool = False
) -> int:
    """Checks that nothing of a window was lost or counted twice.

    Args:
      totals: of the window.
      measured: what its stages count.
      name: of the window, for messages.
      may_drop: whether the runner may have dropped words that came too late.

    Returns:
      How many words it has dropped.

    Raises:
      AnagramError: naming the figures that do not agree.
    """
    measured = frozenset(measured)
    late, expected = 0, Totals()
    expected.merge(totals)
    if may_drop and {Count.WORDS_KEYED, Count.WORDS_COUNTED} <= measured:
        late = max(totals[Count.WORDS_KEYED] - totals[Count.WORDS_COUNTED], 0)
        expected.add(Count.WORDS_KEYED, -late)
        expected.add(Count.WORDS, -late)
    for invariant in invariants(expected, measured):
        if not invariant.holds:
            raise AnagramError(
                f"{name}: the run lost count: {invariant.statement}, but {invariant.left} is not "
                f"{invariant.right}"
            )
    return late


def latest_counts(chunks: Iterable[tuple[int, pyarrow.Table]]) -> list[pyarrow.Table]:
    """Returns tables that have each word once, as the last of its panes has it.

    Args:
      chunks: pairs of a pane's number and a table of records of that pane.
    """
    seen: set[str] = set()
    tables = []
    for _, table in sorted(chunks, key=lambda chunk: -chunk[0]):
        words = table["word"].to_pylist()
        rows = [row for row, word in enumerate(words) if word not in seen]
        seen.update(words)
        tables.append(take(table, np.array(rows, np.int64)))
    return tables


def added_counts(tables: Sequence[pyarrow.Table], order: str) -> list[pyarrow.Table]:
    """Returns tables that have each word once, with the sum of its counts.

    Args:
      tables: of records.
      order: in which the tables are sorted.
    """
    counts: dict[str, int] = {}
    together = pyarrow.concat_tables(tables)
    words, numbers = together["word"].to_pylist(), together["count"].to_pylist()
    for word, number in zip(words, numbers, strict=True):
        counts[word] = counts.get(word, 0) + number
    (once,) = [pyarrow.concat_tables(latest_counts((0, table) for table in tables))]
    position = once.column_names.index("count")
    sums = pyarrow.array([counts[word] for word in once["word"].to_pylist()], pyarrow.int64())
    return [sort(once.set_column(position, once.schema.field("count"), sums), order)]


def _rows(tables: Iterable[pyarrow.Table]) -> int:
    return sum(table.num_rows for table in tables)
