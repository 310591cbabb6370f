"""Writes records of windows: one file for each window and pane.

Records, dead letters and totals of a window are grouped under one key, so that one worker has all
of them, and panes are numbered for the window as a whole. The worker sorts and merges the records,
writes them to a temporary file, checks the totals, and renames the file. All of this depends only
on the group, so a bundle that is repeated writes the same bytes to the same path. (With
`WriteWindows.continues`, it finds the records that it has published, and publishes nothing.)
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import apache_beam as beam
import numpy as np
import pyarrow
from apache_beam.coders.coders import GlobalWindowCoder, IntervalWindowCoder, PickleCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterCount,
    AfterProcessingTime,
    AfterWatermark,
    DefaultTrigger,
    TriggerFn,
)
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.window import BoundedWindow, GlobalWindow, GlobalWindows
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfoTiming, WindowedValue

from beam_pipeline.errors import DeadLettersError, OutputError
from beam_pipeline.io.earlier_panes import Held
from beam_pipeline.io.exchange import WrittenFile, remove
from beam_pipeline.io.file_groups import FileNames
from beam_pipeline.io.formats import format_named
from beam_pipeline.io.naming import new_token, panes_beside, target_of, window_path
from beam_pipeline.io.publishing import publish_alone
from beam_pipeline.io.writing import FileWriter, dead_letter_line
from transforms.columns.convert import check_no_group
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.packing import from_bytes, to_bytes
from transforms.columns.tables import records_table, take, with_groups, words_of
from transforms.errors import AnagramError
from transforms.expand import AnagramCount, GroupedCount
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
    """The content of a published pane of a window.

    Attributes:
      window_start: the start of the window; None for the global window.
      window_end: the end of the window; None for the global window.
      pane: the number of the pane, from 0.
      timing: ``early``, ``on time``, ``late`` or ``unknown``.
      path: the path of the file of records; None if there are no records.
      dead_letters_path: the path of the file of dead letters; None if there are none.
      records: the number of records in the file.
      records_merged: how many more records there were to write: repeated ones of a word, and those
        that earlier panes have.
      words_late: how many words arrived too late to be counted, as far as is known.
      totals: the totals of all stages.
    """

    window_start: Optional[Timestamp]  # noqa: UP045  # Beam's schemas do not know `X | None`
    window_end: Optional[Timestamp]  # noqa: UP045
    pane: int
    timing: str
    path: Optional[str]  # noqa: UP045
    dead_letters_path: Optional[str]  # noqa: UP045
    records: int
    records_merged: int
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
            "totals": self.totals.to_json(),
        }
        return json.dumps(fields) + "\n"


def _text(time: Timestamp | None) -> str | None:
    return None if time is None else time.to_rfc3339()


@dataclass(kw_only=True)
class WriteWindows(beam.PTransform[PCollection[Any], PCollection[PublishedPane]]):
    """Writes one file for each window and pane that has records; see `WriteResults`.

    A window has one pane, unless it has a trigger or an allowed lateness. Each signature fires its
    panes separately, so records are grouped once more, for the file. A pane of this grouping has
    the records since the last one or, if panes accumulate, all records of the window so far. The
    on-time pane has all records that were counted on time.

    With `side_outputs`, its totals must satisfy the invariants before a file is published or, if
    there may be several panes, at the on-time pane of a window. After a trigger with accumulating
    panes they are not checked, because stages count words again in each pane. On unbounded input,
    words that a runner drops as late are not an error. They are counted, unless the totals of their
    bundle were late too.

    Attributes:
      folder: the folder for the files.
      format: one of `FORMATS`.
      dead_letters: the folder for files of dead letters. If None, the caller takes dead letters
        from `side_outputs`. If empty, stages must not emit any.
      gather_seconds: for how many whole seconds of processing time records of early and late panes
        are gathered.
      window_log: the folder for a JSON file about each pane; empty for none.
      settings, token, chunk_records, threads, sort: as in `WriteResults`.
      source_names, file_groups: as in `WriteResults`.
      continues: whether a pane gets only the records that the panes in the folder lack, and a
        number after theirs, see `beam_pipeline.io.earlier_panes`; no effect on windows with one
        pane.
      settled: the files of panes in the folder whose elements are not read again.
      resilience: how many times writing a file is tried.
      side_outputs: the side outputs of the stages before.

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
    file_groups: FileNames | None = None
    continues: bool = False
    settled: Collection[str] = ()
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
        folder, letters_folder = (
            target_of(path.rstrip("/")) for path in (self.folder, self.dead_letters or "")
        )
        if self.dead_letters and folder == letters_folder and self.format == "jsonl":
            raise ValueError(
                f"dead_letters={self.dead_letters!r}: dead letters would replace the records of "
                "their windows there; give another folder"
            )
        letters = outputs.dead_letters if self.dead_letters else []
        collected = records | "CollectRecords" >> beam.ParDo(_CollectFn(self, records))
        totals = [
            each | f"PackTotals{number}" >> beam.Map(_pack_totals)
            for number, each in enumerate(outputs.totals)
            if _have_same_windows(each, records)
        ]
        packed = self._packed(
            [each for each in letters if _have_same_windows(each, records)], "PackDeadLetters"
        )
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
                measured_in_windows(outputs),
            )
        return published

    def _packed(
        self, letters: Sequence[PCollection[DeadLetter]], label: str
    ) -> list[PCollection[_Keyed]]:
        pack = beam.Map(_pack_letter, self.settings, self.source_names, self.file_groups)
        return [each | f"{label}{number}" >> pack for number, each in enumerate(letters)]

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
        has_one_pane = isinstance(trigger, DefaultTrigger)
        write_fn = _ContinueFn if self.continues and not has_one_pane else _WriteFn
        write = beam.ParDo(write_fn(self, like, trigger, measured_in_windows(outputs)))
        written: PCollection[PublishedPane] = _grouped(
            parts, like, trigger, label
        ) | f"Write{label}" >> write.with_output_types(PublishedPane)
        return written

    def _write_unwindowed(self, letters: Sequence[PCollection[DeadLetter]]) -> None:
        """Writes dead letters of stages before windows are assigned, such as those that read."""
        for each in letters:
            if not isinstance(each.windowing.windowfn, GlobalWindows):
                raise ValueError(
                    "WriteResults: dead letters are in other windows than records, and not in the "
                    "global one; give dead_letters=None and take them from side_outputs"
                )
        packed = self._packed(letters, "PackUnwindowed")
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


def _have_groups(records: PCollection[Any]) -> bool:
    return records.element_type in (GroupedCount, GroupedColumns)


def _have_same_windows(elements: PCollection[Any], records: PCollection[Any]) -> bool:
    same: bool = elements.windowing.windowfn == records.windowing.windowfn
    return same


def measured_in_windows(outputs: SideOutputs) -> frozenset[Count]:
    """Returns the counts that are made within windows and can be compared there."""
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
    """Groups all parts of a window, each time that the trigger fires."""
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
    """Checks the totals of windows that have several panes, at their on-time pane."""
    trigger = AfterWatermark(late=AfterCount(1))
    (
        _grouped(totals, records, trigger, "Totals", mode=AccumulationMode.DISCARDING)
        | "CheckTotals" >> beam.ParDo(_CheckFn(measured, may_drop=not records.is_bounded))
    )


def _pack_totals(totals: Totals) -> _Keyed:
    return 0, (_TOTALS, 0, json.dumps(totals.to_json()).encode())


def _pack_letter(
    letter: DeadLetter,
    settings: Mapping[str, Any],
    source_names: Mapping[str, str],
    file_groups: FileNames | None,
) -> _Keyed:
    line = dead_letter_line(letter, settings, source_names, file_groups)
    return 0, (_DEAD_LETTER, 0, line)


def _pack_written(pane: PublishedPane) -> _Keyed:
    totals = Totals()
    totals.add(Count.RECORDS_WRITTEN, pane.records)
    totals.add(Count.RECORDS_TO_WRITE, -pane.records_merged)
    return _pack_totals(totals)


def _are_totals(keyed: _Keyed) -> bool:
    return keyed[1][0] == _TOTALS


def _unpack_totals(data: bytes) -> Totals:
    return Totals.from_json(json.loads(data))


class _CollectFn(beam.DoFn):
    """Collects the records of each window into tables, and counts them."""

    def __init__(self, sink: WriteWindows, records: PCollection[Any]):
        self._max_rows = sink.chunk_records
        self._per_group = _have_groups(records)
        self._columns = list(format_named(sink.format, self._per_group).columns)
        self._is_accumulating = is_accumulating(records)

    def start_bundle(self) -> None:
        self._rows: dict[tuple[BoundedWindow, int], list[Any]] = {}
        self._counts: dict[BoundedWindow, int] = {}

    def process(
        self,
        element: AnagramCount | GroupedCount | RecordColumns | GroupedColumns,
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[_Keyed]:
        index = max(pane.index, 0) if self._is_accumulating else 0
        if isinstance(element, GroupedColumns if self._per_group else RecordColumns):
            yield self._part(window, index, element.table)
            return
        if not self._per_group:
            check_no_group(element)
        rows = self._rows.setdefault((window, index), [])
        rows.append(element)
        if len(rows) >= self._max_rows:
            del self._rows[window, index]
            yield self._part(window, index, self._table_of(rows))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for (window, index), rows in self._rows.items():
            yield _at_end(self._part(window, index, self._table_of(rows)), window)
        for window, number in self._counts.items():
            totals = Totals()
            totals.add(Count.RECORDS_TO_WRITE, number)
            yield _at_end(_pack_totals(totals), window)

    def _part(self, window: BoundedWindow, index: int, table: pyarrow.Table) -> _Keyed:
        self._counts[window] = self._counts.get(window, 0) + table.num_rows
        return 0, (_RECORDS, index, to_bytes(table.select(self._columns)))

    def _table_of(self, rows: Sequence[Any]) -> pyarrow.Table:
        columns = zip(*((row.word, row.count, row.signature) for row in rows), strict=True)
        table = records_table(*columns)
        return with_groups(table, [row.group for row in rows]) if self._per_group else table


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
        self._log, self._format = sink.window_log, sink.format
        self._per_group = _have_groups(like)
        self._writer = FileWriter(
            sink.token, sink.format, sink.sort, sink.chunk_records, sink.threads, self._per_group
        )
        self._settled = frozenset(sink.settled)
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
        name = _Name.of(window, max(pane.index, 0) if self._has_panes else None)
        yield from self._published(group, _Pane(name, name, pane.timing), Held())

    def _published(
        self, group: tuple[int, Iterable[_Part]], pane: "_Pane", held: Held
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
            yield self._publish_pane(totals, chunks, held.off_lines(lines), pane, held)

    def _publish_pane(
        self,
        totals: Totals,
        chunks: Sequence[tuple[int, pyarrow.Table]],
        lines: Sequence[bytes],
        pane: "_Pane",
        held: Held,
    ) -> PublishedPane:
        name = pane.name
        files: list[WrittenFile] = []
        path = letters_path = None
        records = late = 0
        try:
            if lines:  # first: a result must never exist without its dead letters
                letters_path = name.path(self._letters_folder, "jsonl")
                try:
                    files.append(self._written_lines(letters_path, sorted(lines)))
                except OutputError as error:
                    raise DeadLettersError(str(error)) from error
            tables = held.off(self._merged(chunks))
            merged = _rows(table for _, table in chunks) - _rows(tables)
            totals.add(Count.RECORDS_TO_WRITE, -merged)
            if tables := [table for table in tables if table.num_rows]:
                path = name.path(self._folder, self._format)
                written, records = self._written_records(path, tables)
                files.append(written)
                totals.add(Count.RECORDS_WRITTEN, records)
            if not self._has_panes:  # otherwise some of its totals may not have arrived yet
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
                merged,
                late,
                totals,
            ),
            pane.log_name,
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
        return latest_counts(chunks) if self._is_accumulating else added_counts(tables)

    def _written_records(
        self, path: str, tables: Sequence[pyarrow.Table]
    ) -> tuple[WrittenFile, int]:
        return self._written(path, lambda: self._writer.write_records(path, list(tables)))

    def _written_lines(self, path: str, lines: Sequence[bytes]) -> WrittenFile:
        return self._written(path, lambda: (self._writer.write_lines(path, lines), 0))[0]

    def _written(
        self, path: str, write: Callable[[], tuple[WrittenFile, int]]
    ) -> tuple[WrittenFile, int]:
        attempts: list[str] = []

        def attempt() -> tuple[WrittenFile, int]:
            result = write()
            attempts.append(result[0].temporary)
            return result

        try:
            written = self._retrier(attempt)
        except BaseException as error:
            remove(attempts)
            if isinstance(error, RetriesExhaustedError):
                raise OutputError(f"{path}: cannot be written: {error}") from error
            raise
        remove(attempts[:-1])  # of failed attempts
        return written

    def _publish(self, file: WrittenFile, letters_path: str | None) -> None:
        try:
            publish_alone(file, self._retrier, token=self._writer.token)
        except OutputError as error:
            if file.final == letters_path:
                raise DeadLettersError(str(error)) from error
            raise


class _ContinueFn(_WriteFn):
    """Writes the records of a pane that the panes in the folder do not have."""

    HELD = ReadModifyWriteStateSpec("held", PickleCoder())

    def process(
        self,
        group: tuple[int, Iterable[_Part]],
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
        state: Any = beam.DoFn.StateParam(HELD),  # noqa: B008  # as Beam has it
    ) -> Iterator[PublishedPane]:
        held: Held = state.read() or Held()
        log_name = _Name.of(window, max(pane.index, 0))
        records = self._panes(log_name, self._folder, self._format)
        letters = self._panes(log_name, self._letters_folder, "jsonl")
        if not self._is_accumulating:  # else a pane has all of those before it
            held.add(
                self._unsettled(records),
                self._unsettled(letters),
                self._retrier,
                per_group=self._per_group,
            )
        number = max([*records, *letters], default=-1) + 1
        named = _Pane(log_name._replace(pane=number), log_name, pane.timing)
        for published in self._published(group, named, held):
            if published.path or published.dead_letters_path:
                held.panes.add(number)
            yield published
        state.write(held)

    def _unsettled(self, panes: Mapping[int, str]) -> dict[int, str]:
        return {number: file for number, file in panes.items() if file not in self._settled}

    def _panes(self, name: "_Name", folder: str, extension: str) -> dict[int, str]:
        if not folder:
            return {}
        try:
            return self._retrier(panes_beside, name.path(folder, extension))
        except RetriesExhaustedError as error:
            error_type = OutputError if folder == self._folder else DeadLettersError
            raise error_type(f"{folder}: cannot be listed: {error}") from error


class _Name(NamedTuple):
    """The window and pane in the names of files; see `beam_pipeline.io.naming.window_name`."""

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


class _Pane(NamedTuple):
    """A pane to be published.

    Attributes:
      name: of its files.
      log_name: of the file about it, after the runner's number of the pane: that is the same when a
        bundle is repeated, and panes without files have one too.
      timing: as Beam's `PaneInfoTiming` has it.
    """

    name: _Name
    log_name: _Name
    timing: int


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
        # Late elements are counted in several steps, so their totals agree only at the end.
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
      totals: the totals of the window.
      measured: the counts that its stages make.
      name: the name of the window, for messages.
      may_drop: whether the runner may have dropped late words.

    Returns:
      How many words it has dropped.

    Raises:
      AnagramError: an invariant is broken; the message has its figures.
    """
    measured = frozenset(measured)
    expected = without_late_words(totals, measured) if may_drop else totals
    for invariant in invariants(expected, measured):
        if not invariant.holds:
            raise AnagramError(
                f"{name}: the run lost count: {invariant.statement}, but {invariant.left} is not "
                f"{invariant.right}"
            )
    return totals[Count.WORDS_KEYED] - expected[Count.WORDS_KEYED]


def without_late_words(totals: Totals, measured: Iterable[Count]) -> Totals:
    """Returns totals without words that were read but that a runner has dropped as late.

    Args:
      totals: the totals of a window, or of several.
      measured: the counts that their stages make.
    """
    expected = Totals()
    expected.merge(totals)
    if {Count.WORDS_KEYED, Count.WORDS_COUNTED} <= frozenset(measured):
        late = max(totals[Count.WORDS_KEYED] - totals[Count.WORDS_COUNTED], 0)
        expected.add(Count.WORDS_KEYED, -late)
        expected.add(Count.WORDS, -late)
    return expected


def latest_counts(chunks: Iterable[tuple[int, pyarrow.Table]]) -> list[pyarrow.Table]:
    """Returns tables that have each word once, or once in each group, with its latest count.

    Args:
      chunks: pairs of a pane's number and a table of records of that pane.
    """
    seen: set[tuple[str, ...]] = set()
    tables = []
    for _, table in sorted(chunks, key=lambda chunk: -chunk[0]):
        words = words_of(table)
        rows = [row for row, word in enumerate(words) if word not in seen]
        seen.update(words)
        tables.append(take(table, np.array(rows, np.int64)))
    return tables


def added_counts(tables: Sequence[pyarrow.Table]) -> list[pyarrow.Table]:
    """Returns tables that have each word once, or once in each group, with the sum of its counts.

    Args:
      tables: tables of records.
    """
    together = pyarrow.concat_tables(tables)
    names = together.column_names
    # The other columns of a word, such as its signature, are the same in all tables.
    keys = [name for name in names if name != "count"]
    summed = together.group_by(keys, use_threads=False).aggregate([("count", "sum")])
    columns = {name: summed["count_sum" if name == "count" else name] for name in names}
    return [pyarrow.table(columns).cast(together.schema)]


def _rows(tables: Iterable[pyarrow.Table]) -> int:
    return sum(table.num_rows for table in tables)
