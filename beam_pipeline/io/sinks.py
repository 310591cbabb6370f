"""Writes records into one sorted file or several shards, which are published atomically.

Tables of records are distributed over shards; those of a shard are sorted and written into a
temporary file beside the output; and the temporary files are published when all of them are written
and the totals of all stages agree.
"""

import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.error_handling import ErrorHandler
from apache_beam.utils.windowed_value import WindowedValue

from beam_pipeline.errors import DeadLettersError, OutputError
from beam_pipeline.io import publishing
from beam_pipeline.io.exchange import WrittenFile, remove
from beam_pipeline.io.file_groups import FileNames
from beam_pipeline.io.formats import FORMATS, format_named, format_of
from beam_pipeline.io.leases import LockLostError
from beam_pipeline.io.naming import MAX_SHARDS, new_token, shard_path
from beam_pipeline.io.sorting import ORDERS
from beam_pipeline.io.writing import FileWriter, dead_letter_line
from transforms.checks import check_one_of, check_positive, check_type
from transforms.columns.convert import PackRecords
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.passing import done_with, passed, received
from transforms.errors import AnagramError
from transforms.expand import AnagramCount, GroupedCount
from transforms.files.lineage import report_sinks
from transforms.stages.bundles import in_global_window
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.memory import release_free_memory
from transforms.stages.retry import Retrier, RetriesExhaustedError, applying
from transforms.stages.stage import Stage, StageFn
from transforms.stages.threads import OrderedThreads, map_in_order
from transforms.stages.totals import Count, Totals, invariants
from transforms.stages.windows import has_panes, is_windowed

Record = AnagramCount | GroupedCount
Columns = RecordColumns | GroupedColumns
# How many records are in a table, and its chunks with their shards.
_Chunks = tuple[int, list[tuple[int, bytes]]]
#: The "shard" that dead letters go to.
_DEAD_LETTERS = -1


class WriteOutcome(NamedTuple):
    """The files to publish, and the totals of the run.

    Attributes:
      files: the written files.
      totals: the totals of all stages.
    """

    files: tuple[WrittenFile, ...]
    totals: Totals


@dataclass
class WriteResults(Stage):
    """Writes records to files, and yields their paths once they are published.

    In windows, and after a trigger, `path` and `dead_letters` are folders, in which each window and
    pane has its own file; see `beam_pipeline.io.windowed_sinks.WriteWindows`.

    With `side_outputs`, its totals must satisfy the invariants before anything is published.

    Attributes:
      path: the file; with more than one shard, ``path-00000-of-0000N`` and so on.
      format: one of `FORMATS`; if None, the extension of the path decides.
      num_shards: the number of files, at most `MAX_SHARDS`. The shard of a word depends only on the
        word; with groups, only on the group.
      dead_letters: the file for dead letters, as JSON lines. If None, the caller takes them from
        `side_outputs`. If empty, stages must not emit any.
      settings: the settings of the run, written into each dead letter.
      token: identifies the run in the names of its temporary files.
      has_client: whether a client holds the output's lock and waits for the manifest; see
        `beam_pipeline.io.publishing`.
      chunk_records: about how many records are sorted and written at once.
      threads: how many cores a worker may use to write one file.
      sort: one of `ORDERS`, applied within each group if there are any; ``count`` needs one shard.
      reports_lineage: whether to report the written files to Beam.
      source_names: the names, in dead letters, of sources that are copies, by the copies' paths.
      file_groups: the names of files if words are counted by file; dead letters have them too.
      gather_seconds: for windows with a trigger or an allowed lateness: for how many whole seconds
        of processing time records of early and late panes are gathered for one file.
      window_log: for windows: the folder for a JSON file about each published pane, see
        `beam_pipeline.io.windowed_sinks.PublishedPane`; empty for none.
      continues: for windows with a trigger or an allowed lateness: whether a pane gets only the
        records that the panes in the folder lack. The input of these panes must be read again: the
        folder is that of one pipeline, which is started again from the beginning of each window,
        or restored from a checkpoint, see `beam_pipeline.io.earlier_panes`.
      settled: the files of panes whose input is not read again nevertheless.

    Raises:
      ValueError: a setting is invalid; or, when applied, if stages may emit dead letters and
        `dead_letters` is empty.
      OutputError, DeadLettersError: when it runs: a file cannot be written.
      AnagramError: when it runs: the totals do not agree.
    """

    path: str | os.PathLike[str] = ""
    format: str | None = None
    num_shards: int = 1
    dead_letters: str | None = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default_factory=new_token)
    has_client: bool = False
    chunk_records: int = 1 << 16
    threads: int = 1
    sort: str = "word"
    reports_lineage: bool = True
    source_names: Mapping[str, str] = field(default_factory=dict)
    file_groups: FileNames | None = None
    gather_seconds: int = 10
    window_log: str = ""
    continues: bool = False
    settled: Collection[str] = ()
    takes_rows: ClassVar = True
    measures: ClassVar = frozenset(
        {
            Count.RECORDS_TO_WRITE,
            Count.RECORDS_WRITTEN,
            Count.FILES_EXPECTED,
            Count.FILES_WRITTEN,
            Count.FILES_TO_PUBLISH,
        }
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, os.PathLike, path=self.path)
        self.path = self._path = os.fspath(self.path)
        self._is_format_given = self.format is not None or bool(PurePath(self._path).suffix)
        if self.format is None:
            self.format = format_of(self._path)
            if self.format is None:
                raise ValueError(
                    f"path={self.path!r}: the extension names none of {tuple(FORMATS)}"
                )
        check_one_of(FORMATS, format=self.format)
        self._format = self.format
        check_one_of(ORDERS, sort=self.sort)
        check_positive(
            num_shards=self.num_shards,
            chunk_records=self.chunk_records,
            threads=self.threads,
            gather_seconds=self.gather_seconds,
        )
        if self.num_shards > MAX_SHARDS:
            raise ValueError(f"num_shards={self.num_shards!r}: must be {MAX_SHARDS} or less")
        if self.sort != "word" and self.num_shards > 1:
            raise ValueError(f"sort={self.sort!r}: must be 'word' with more than one shard")

    def with_error_handler(self, error_handler: ErrorHandler | None) -> "WriteResults":
        if error_handler is not None:
            raise TypeError(
                "WriteResults: writes all records or none, and so has nothing for an error handler"
            )
        return self

    def expand(self, records: PCollection[Record | Columns]) -> PCollection[str]:
        if is_windowed(records) or has_panes(records):
            return self._write_windows(records)
        columns = records
        if records.element_type not in (RecordColumns, GroupedColumns):
            columns = records | "PackRecords" >> PackRecords(self.chunk_records)
        per_group = columns.element_type is GroupedColumns
        chunks = self.apply_fn(
            columns, "ShardRecords", _ShardFn(self, per_group), tuple[int, bytes]
        )
        shards = (
            (chunks, *self._other_chunks(records))
            | "AllChunks" >> beam.Flatten().with_output_types(tuple[int, bytes])
            | "GroupByShard" >> beam.GroupByKey()
        )
        written = self.apply_fn(shards, "WriteShards", _WriteFn(self, per_group), WriteOutcome)
        return (
            (written, self._all_totals(records))
            | "Outcomes" >> beam.Flatten()
            | "MergeOutcomes" >> beam.CombineGlobally(_MergeFn()).without_defaults()
            | "Publish" >> beam.ParDo(_PublishFn(self)).with_output_types(str)
        )

    def _write_windows(self, records: PCollection[Record | Columns]) -> PCollection[str]:
        if self.num_shards > 1:
            raise ValueError(f"num_shards={self.num_shards!r}: a window has one file, so must be 1")
        from beam_pipeline.io.windowed_sinks import WriteWindows  # takes a while to load

        write = WriteWindows(
            folder=self._path,
            format=self._format if self._is_format_given else "jsonl",
            dead_letters=self.dead_letters,
            gather_seconds=self.gather_seconds,
            window_log=self.window_log,
            settings=self.settings,
            token=self.token,
            chunk_records=self.chunk_records,
            threads=self.threads,
            sort=self.sort,
            source_names=self.source_names,
            file_groups=self.file_groups,
            continues=self.continues,
            settled=self.settled,
            resilience=self.resilience,
            side_outputs=self.side_outputs,
        )
        return (
            records
            | "WriteWindows" >> write
            | "PathsOfWindows" >> beam.FlatMap(_path_of).with_output_types(str)
        )

    def _other_chunks(self, records: PCollection[Any]) -> Iterator[PCollection[tuple[int, bytes]]]:
        # A shard without records has a file too, so every shard gets an empty chunk.
        shards = [*range(self.num_shards), *([_DEAD_LETTERS] if self.dead_letters else [])]
        yield records.pipeline | "EmptyChunks" >> beam.Create(
            [(shard, b"") for shard in shards], reshuffle=False
        )
        if self.side_outputs is None or self.dead_letters is None:
            return
        if self.dead_letters:
            letters = tuple(self.side_outputs.dead_letters) | "AllDeadLetters" >> beam.Flatten()
            yield letters | "PackDeadLetters" >> beam.Map(
                _pack_dead_letter, self.settings, self.source_names, self.file_groups
            )
        elif self.side_outputs.expects_dead_letters:
            raise ValueError(
                "WriteResults: stages may emit dead letters, which would be lost: give "
                "dead_letters=PATH, or None and take them from side_outputs.dead_letters"
            )

    def _all_totals(self, records: PCollection[Any]) -> PCollection[WriteOutcome]:
        totals = () if self.side_outputs is None else tuple(self.side_outputs.totals)
        return (
            totals
            | "AllTotals" >> beam.Flatten(pipeline=records.pipeline)
            | "ToOutcomes" >> beam.Map(_to_outcome).with_output_types(WriteOutcome)
        )


class _ShardFn(StageFn):
    """Splits tables of records into (shard, chunk); a chunk has the columns of the format."""

    def __init__(self, sink: WriteResults, per_group: bool):
        super().__init__(sink.resilience)
        self._num_shards, self._num_threads = sink.num_shards, sink.threads
        self._columns = list(format_named(sink._format, per_group).columns)
        self._shard_key = self._columns[0]  # a group is in one shard

    def start_bundle(self) -> None:
        super().start_bundle()
        self._threads: OrderedThreads[_Chunks] = OrderedThreads(self._num_threads)

    def process(self, columns: Any) -> Iterator[tuple[int, bytes]]:
        self._threads.submit(self._chunks, columns.table)
        yield from self._emit(self._threads.results(wait=False))

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput[str, Any]]:
        yield from in_global_window(self._emit(self._threads.results(wait=True)))
        self._threads.close()
        yield from self.emit_totals()

    def _emit(self, results: Iterable[_Chunks]) -> Iterator[tuple[int, bytes]]:
        for rows, chunks in results:
            self.totals.add(Count.RECORDS_TO_WRITE, rows)
            yield from chunks

    def _chunks(self, records: pyarrow.Table) -> _Chunks:
        table = records.select(self._columns)
        return table.num_rows, [(shard, passed(rows)) for shard, rows in self._in_shards(table)]

    def _in_shards(self, table: pyarrow.Table) -> Iterator[tuple[int, pyarrow.Table]]:
        if self._num_shards == 1:
            yield 0, table
            return
        hashes = (zlib.crc32(key.encode()) for key in table[self._shard_key].to_pylist())
        shards = np.fromiter(hashes, np.int64, table.num_rows) % self._num_shards
        for shard in np.unique(shards):
            yield int(shard), table.filter(pyarrow.array(shards == shard))


def _pack_dead_letter(
    letter: DeadLetter,
    settings: Mapping[str, Any],
    source_names: Mapping[str, str],
    file_groups: FileNames | None,
) -> tuple[int, bytes]:
    line = dead_letter_line(letter, settings, source_names, file_groups)
    return _DEAD_LETTERS, line


def _path_of(published: Any) -> list[str]:  # a `PublishedPane`
    return [] if published.path is None else [published.path]


def _to_outcome(totals: Totals) -> WriteOutcome:
    return WriteOutcome((), totals)


class _WriteFn(StageFn):
    """Writes the chunks of a shard into a temporary file."""

    def __init__(self, sink: WriteResults, per_group: bool):
        super().__init__(sink.resilience)
        self._path, self._num_shards = sink._path, sink.num_shards
        self._dead_letters = sink.dead_letters or ""
        self._writer = FileWriter(
            sink.token, sink._format, sink.sort, sink.chunk_records, sink.threads, per_group
        )
        self._retrier = Retrier("write", sink.resilience)

    def process(self, shard_and_chunks: tuple[int, Iterable[bytes]]) -> Iterator[WriteOutcome]:
        shard, chunks = shard_and_chunks
        try:
            if shard == _DEAD_LETTERS:
                final = self._dead_letters
                written, records = self._retrier(self._writer.write_lines, final, chunks), 0
            else:
                final = shard_path(self._path, shard, self._num_shards)
                written, records = self._retrier(self._write_records, final, chunks)
        except RetriesExhaustedError as error:
            message = f"cannot be written: {error}"
            if shard == _DEAD_LETTERS:
                raise DeadLettersError(f"{self._dead_letters}: {message}") from error
            raise OutputError(f"{self._path}: {message}") from error
        done_with(chunks)
        self.totals.add(Count.RECORDS_WRITTEN, records)
        self.totals.add(Count.FILES_WRITTEN)
        yield WriteOutcome((written,), Totals())

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def _write_records(self, final: str, chunks: Iterable[bytes]) -> tuple[WrittenFile, int]:
        with_rows = (chunk for chunk in chunks if chunk)
        tables = list(map_in_order(received, with_rows, self._writer.threads))
        if sum(table.num_rows for table in tables) > self._writer.chunk_records:
            release_free_memory()  # of the decoded chunks
        return self._writer.write_records(final, tables)


class _MergeFn(beam.CombineFn):
    """Merges `WriteOutcome`s into one. The accumulator is (files, totals)."""

    def create_accumulator(self) -> tuple[list[WrittenFile], Totals]:
        return [], Totals()

    def add_input(
        self, accumulator: tuple[list[WrittenFile], Totals], outcome: WriteOutcome
    ) -> tuple[list[WrittenFile], Totals]:
        accumulator[0].extend(outcome.files)
        accumulator[1].merge(outcome.totals)
        return accumulator

    def merge_accumulators(
        self, accumulators: Iterable[tuple[list[WrittenFile], Totals]]
    ) -> tuple[list[WrittenFile], Totals]:
        merged = self.create_accumulator()
        for files, totals in accumulators:
            merged[0].extend(files)
            merged[1].merge(totals)
        return merged

    def extract_output(self, accumulator: tuple[list[WrittenFile], Totals]) -> WriteOutcome:
        files, totals = accumulator
        return WriteOutcome(tuple(sorted(files, key=lambda file: file.final)), totals)


class _PublishFn(beam.DoFn):
    """Publishes the written files, if the totals of all stages agree."""

    def __init__(self, sink: WriteResults):
        self._path, self._num_shards = sink._path, sink.num_shards
        self._dead_letters = sink.dead_letters
        self._files_expected = sink.num_shards + bool(sink.dead_letters)
        self._measured = frozenset(sink.side_outputs.measured if sink.side_outputs else ())
        self._known = sink.side_outputs.known if sink.side_outputs else Totals()
        self._token, self._has_client = sink.token, sink.has_client
        self._reports_lineage, self._resilience = sink.reports_lineage, sink.resilience
        self._retrier = Retrier("write", sink.resilience)

    def process(self, outcome: WriteOutcome) -> Iterator[str]:
        totals = Totals()
        totals.merge(outcome.totals)
        totals.merge(self._known)
        totals.add(Count.FILES_TO_PUBLISH, len(outcome.files))
        totals.add(Count.FILES_EXPECTED, self._files_expected)
        # Dead letters first: a result must never exist without its dead letters.
        files = sorted(outcome.files, key=self._is_result)
        try:
            _check(totals, self._measured)
            with applying(self._resilience):
                publishing.publish(
                    self._path,
                    files,
                    self._retrier,
                    token=self._token,
                    num_shards=self._num_shards,
                    totals=totals if self._has_client else None,
                )
        except LockLostError:
            raise  # another run publishes the files
        except AnagramError:
            remove(file.temporary for file in files)
            raise
        if self._reports_lineage:
            finals = [file.final for file in outcome.files]
            report_sinks(finals, f"{self._path}-*-of-{self._num_shards:05d}")
        yield from (file.final for file in outcome.files)

    def _is_result(self, file: WrittenFile) -> bool:
        return file.final != self._dead_letters


def _check(totals: Totals, measured: frozenset[Count]) -> None:
    """Checks that nothing was lost or counted twice.

    Raises:
      AnagramError: an invariant is broken; the message has its figures.
    """
    for invariant in invariants(totals, measured):
        if not invariant.holds:
            raise AnagramError(
                f"nothing published, the run lost count: {invariant.statement}, but "
                f"{invariant.left} is not {invariant.right}"
            )
