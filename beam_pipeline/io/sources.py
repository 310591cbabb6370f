"""Reads text as `Block`s: from files on any Beam filesystem, or from a string."""

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from beam_pipeline.io.inputs import (
    ALLOW,
    DISALLOW,
    EMPTY_MATCH,
    Listing,
    ReadShard,
    list_files,
    plan_shards,
    taken_over,
)
from beam_pipeline.io.shared_view import InputSize, count_found, expect
from beam_pipeline.monitor.read_progress import ReadProgress, write_plan
from transforms.checks import check_one_of, check_positive, check_type
from transforms.errors import AnagramError, InputError, NotTextError
from transforms.files.compression import is_compressed
from transforms.files.decompression import HeadFile
from transforms.files.lineage import report_sources
from transforms.files.ranges import ReadAhead, Region, is_read_by_ranges, reading_ahead
from transforms.files.recognition import HEAD_SIZE, FormatError, is_plain_text
from transforms.files.retrying_file import is_plain, open_retrying
from transforms.files.schemes import is_local
from transforms.stages import beam_metrics
from transforms.stages.dead_letters import DeadLetter, FilePattern
from transforms.stages.retry import Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import ElementFn, Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.blocks import BLOCK_SIZE, Block, BlockReader, FileRange
from transforms.text.encoding import Encoding
from transforms.text.settings import TextSettings


@dataclass
class ReadString(Stage):
    """Reads a string, which is a part of the pipeline.

    Attributes:
      text: the string. Bytes that are not valid UTF-8 are lone surrogates, as in `sys.argv`.
    """

    text: str = ""
    measures: ClassVar = frozenset({Count.BYTES_READ, Count.BLOCKS_READ})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, text=self.text)

    def expand(self, root: PBegin) -> PCollection[Block]:
        data = self.text.encode("utf-8", "surrogateescape")
        held = root | "HoldText" >> beam.Create([data], reshuffle=False)
        return self.apply_fn(held, "CutIntoBlocks", _CutFn("read", self.resilience), Block)


class _CutFn(ElementFn):
    def process_element(self, data: bytes) -> list[Block]:
        whole = FileRange("<text>")
        limit = len(data) + 1
        return list(BlockReader(BytesIO(data), whole, Encoding(), run_limit=limit).blocks())

    def dead_letter_payload(self, data: bytes) -> Block:
        return Block("<text>", 0, data)

    def count(self, data: bytes, blocks: list[Block]) -> None:
        self.totals.add(Count.BYTES_READ, len(data))
        self.totals.add(Count.BLOCKS_READ, len(blocks))

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput[str, Any]:
        self.totals.add(Count.BLOCKS_READ)
        return super().emit_dead_letter(letter)


@dataclass
class ReadFiles(Stage):
    """Reads the files that patterns match, each once.

    Attributes:
      patterns: a file, folder or glob on any Beam filesystem, or any number of them; see
        `beam_pipeline.io.matching`.
      encoding: the encoding of the files. If None, a byte order mark decides for each file: UTF-16,
        UTF-32, or otherwise UTF-8.
      text: how bytes become words; needed because very long words are decoded while reading.
      block_size: the approximate size of blocks, in bytes.
      shard_size: about how many stored bytes of files one worker reads at a time; by default a
        share of the total.
      empty_match_treatment: whether a pattern may match no file, one of the constants of
        `apache_beam.io.fileio.EmptyMatchTreatment`.
      matched: the input that the program that begins the run has found; workers must find the same.
        None if it has not been determined.
      listed: the key of the listing that this program has stored, so that a worker in the same
        process need not list the files again; empty for none.
      spool_folder: the folder of temporary files of the run, such as copies of pipes. If one cannot
        be read, the run fails: a dead letter could not be replayed.
      progress_folder: the folder for the progress of reading, see
        `beam_pipeline.monitor.read_progress`; empty for none.

    Raises:
      TypeError, ValueError: a setting is invalid.
      InputError: when it runs: a file cannot be read, a pattern matches no file, or the input is
        not as it was `matched`.
      UndecodableTextError: when it runs: a file is not valid text, with ``strict``.
    """

    patterns: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = ()
    encoding: str | None = None
    text: TextSettings = field(default_factory=TextSettings)
    block_size: int = BLOCK_SIZE
    shard_size: int | None = None
    empty_match_treatment: str = DISALLOW
    matched: InputSize | None = None
    listed: str = field(default="", compare=False)
    spool_folder: str = ""
    progress_folder: str = field(default="", compare=False)  # not a setting of the work itself
    measures: ClassVar = frozenset(
        {
            *(Count.FILES_FOUND, Count.BYTES_FOUND, Count.INPUT_BYTES, Count.INPUT_BYTES_READ),
            *(Count.RANGES_PLANNED, Count.RANGES_READ, Count.BYTES_READ, Count.BLOCKS_READ),
        }
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, os.PathLike, Iterable, patterns=self.patterns)
        given = self.patterns
        one_or_more = (given,) if isinstance(given, str | os.PathLike) else tuple(given)
        for pattern in one_or_more:
            check_type(str, os.PathLike, pattern=pattern)
        self.patterns = self._patterns = tuple(os.fspath(one) for one in one_or_more)
        if self.encoding is not None:
            Encoding(self.encoding)
        check_positive(block_size=self.block_size)
        if self.shard_size is not None:
            check_positive(shard_size=self.shard_size)
        check_one_of(EMPTY_MATCH, empty_match_treatment=self.empty_match_treatment)

    @property
    def expects_dead_letters(self) -> bool:
        return super().expects_dead_letters or self.text.encoding_errors == "quarantine"

    def expand(self, root: PBegin) -> PCollection[Block]:
        expect(self.side_outputs, self.matched)
        start = root | "Start" >> beam.Create([None], reshuffle=False)
        shards = self.apply_fn(start, "PlanShards", _PlanFn(self), ReadShard)
        spread = shards | "SpreadShards" >> beam.Reshuffle()
        return self.apply_fn(spread, "ReadBlocks", _ReadShardFn(self), Block)


class ListFilesFn(StageFn):
    """Lists the files that patterns match, with the settings of a `ReadFiles`."""

    def __init__(self, settings: ReadFiles):
        super().__init__(settings.resilience)
        self._shard_size, self._spool_folder = settings.shard_size, settings.spool_folder
        self._retrier = Retrier("read", settings.resilience.without_chaos())

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def list_files(
        self, patterns: Sequence[str], empty_match_treatment: str, listed: str = ""
    ) -> Listing:
        """Returns the files that patterns match.

        Args:
          patterns, empty_match_treatment: as for `ReadFiles`.
          listed: the key of a stored listing; if it exists, the files are not listed again.

        Raises:
          InputError: a filesystem cannot be reached, or a pattern matches no file.
        """
        try:
            listing = taken_over(listed) or self._retrier(
                list_files, patterns, empty_match_treatment
            )
        except RetriesExhaustedError as error:
            raise InputError(f"{', '.join(patterns)}: {error}") from error
        self.totals.add(Count.FILES_SKIPPED, len(listing.skipped))
        return listing

    def plan_shards(self, listing: Listing) -> Iterator[ReadShard]:
        """Yields shards that together read every listed file once."""
        return plan_shards(listing.sizes, self._shard_size, self._is_whole)

    def report_lineage(self, listing: Listing, patterns: Sequence[str] = ()) -> None:
        """Reports the inputs to Beam as lineage, except copies of pipes."""
        spool = self._spool_folder
        report_sources(
            [path for path in listing.sizes if not spool or not path.startswith(spool)],
            [pattern for pattern in patterns if not spool or not pattern.startswith(spool)],
        )

    def _is_whole(self, path: str) -> bool:
        """Whether a file must not be split: by its content, it is compressed or not text.

        If that cannot be determined now, it is when the file is read: see `_is_planned`.
        """
        if is_compressed(path):
            return True
        try:
            return not is_plain(path, self._retrier)
        except Exception:  # each filesystem raises its own; reading the file raises it again
            return False

    def unlisted(
        self, listing: Listing, counted: Iterable[str] = ()
    ) -> Iterator[TaggedOutput[str, Any]]:
        """Yields dead letters for the folders that could not be listed.

        Args:
          listing: has the folders, and files in them that other patterns may have matched.
          counted: paths of files that are not listed, but are counted otherwise.

        Raises:
          InputError: the settings do not allow dead letters.
        """
        known = _by_folder(
            {folder.path for folder in listing.unlisted.values()}, {*listing.sizes, *counted}
        )
        for folder in listing.unlisted.values():
            reason = folder.error.strerror or describe(folder.error)
            if not self.writes_dead_letters:
                raise InputError(f"{folder.path}: cannot be listed ({reason})") from folder.error
            for count in (Count.RANGES_PLANNED, Count.RANGES_READ, Count.BLOCKS_READ):
                self.totals.add(count)
            payload = FilePattern(folder.pattern, tuple(known.get(folder.path, ())))
            yield self.emit_dead_letter(DeadLetter("read", describe(folder.error), 1, payload))


def _by_folder(folders: set[str], paths: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Returns the paths, in order, that are below each of the folders, at any depth."""
    below = defaultdict(list)
    for path in sorted(paths) if folders else ():
        folder = os.path.dirname(path)
        while True:
            if folder in folders:
                below[folder].append(path)
            folder, inner = os.path.dirname(folder), folder
            if folder == inner:
                break
    return below


class _PlanFn(ListFilesFn):
    def __init__(self, settings: ReadFiles):
        super().__init__(settings)
        self._patterns = settings._patterns
        self._matched, self._listed = settings.matched, settings.listed
        # `matched` is compared with what is found, which includes that a pattern matches no file.
        self._empty_match_treatment = (
            settings.empty_match_treatment if settings.matched is None else ALLOW
        )
        self._progress_folder = settings.progress_folder

    def process(self, _: None) -> Iterator[Any]:
        listing = self.list_files(self._patterns, self._empty_match_treatment, self._listed)
        write_plan(self._progress_folder, *listing.total)
        self.totals.add(Count.INPUT_FILES, listing.total.files)
        self.totals.add(Count.INPUT_BYTES, listing.total.bytes)
        yield from self.unlisted(listing)
        if (fault := count_found(self.totals, listing.total, self._matched)) is not None:
            raise InputError(f"{', '.join(self._patterns)}: {fault}")
        self.report_lineage(listing, self._patterns)
        for shard in self.plan_shards(listing):
            self.totals.add(Count.RANGES_PLANNED, len(shard))
            yield shard


class ReadRangeFn(StageFn):
    """Reads ranges of files, with the settings of a `ReadFiles`."""

    def __init__(self, settings: ReadFiles):
        super().__init__(settings.resilience)
        self._encoding = None if settings.encoding is None else Encoding(settings.encoding)
        self._text = settings.text
        self._block_size = settings.block_size
        self._spool_folder = settings.spool_folder
        self._progress_folder = settings.progress_folder
        self._retrier = Retrier("read", settings.resilience)

    def setup(self) -> None:
        self._progress = ReadProgress(self._progress_folder)

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def read_range(
        self, file_range: FileRange, ahead: ReadAhead | None = None
    ) -> Iterator[Block | TaggedOutput[str, Any]]:
        """Yields the blocks of a range, and dead letters for parts that cannot be read.

        Args:
          file_range: the range.
          ahead: requests for parts of it that have been made already.
        """
        self.totals.add(Count.RANGES_READ)
        if (block := self._read_small_file(file_range)) is not None:
            yield block
            return
        reader = None
        stored = _StoredBytes(self._progress)
        try:
            with open_retrying(
                file_range.source,
                self._retrier,
                stored.add,
                region=_region_of(file_range),
                ahead=ahead,
            ) as file:
                if file.compression and _is_planned(file_range):
                    if file_range.start:
                        return
                    file_range = file_range._replace(end=None)
                reader = self._reader(file, file_range)
                for block in reader.blocks():
                    self.totals.add(Count.BLOCKS_READ)
                    beam_metrics.BLOCK_BYTES.update(len(block.data))
                    yield block
                size = stored.read if file.compression else reader.reached - file_range.start
                self._count_stored(file_range, size)
        except AnagramError:
            raise
        except FormatError as error:
            if file_range.start and _is_planned(file_range):
                return
            file_range = file_range._replace(end=None)
            if not self.writes_dead_letters:
                raise NotTextError(f"{file_range.source}: {error}") from error
            self.totals.add(Count.INPUT_BYTES_IN_DEAD_LETTERS, _planned_size(file_range))
            self.totals.add(Count.BLOCKS_READ)
            yield self.emit_dead_letter(DeadLetter("read", describe(error), 1, file_range))
        except Exception as error:  # each decompressor raises its own
            exhausted = (
                error
                if isinstance(error, RetriesExhaustedError)
                else RetriesExhaustedError("read", error, 1)
            )
            self.totals.add(Count.INPUT_BYTES_IN_DEAD_LETTERS, _planned_size(file_range))
            self.totals.add(Count.BLOCKS_READ)
            yield self.to_dead_letter(exhausted, reader.unread if reader else file_range)
        if reader is not None:
            self.totals.add(Count.BYTES_READ, reader.consumed)
            for left_out, undecodable in reader.undecodable:
                self.totals.add(Count.BLOCKS_READ)
                yield self.emit_dead_letter(DeadLetter("read", describe(undecodable), 1, left_out))

    def _read_small_file(self, file_range: FileRange) -> Block | None:
        """Reads a local file that is one block; most files of many are such.

        Returns:
          The block; None if anything is unusual about the file, or goes wrong. Then it has to be
          read in the general way, which does the same for it, but takes several times as long.
        """
        path, size = file_range.source, file_range.file_size
        if (
            not size
            or size > self._block_size
            or file_range != FileRange(path, file_size=size)
            or self._retrier.injects_faults
            or not is_local(path)
            or is_compressed(path)
        ):
            return None
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read(size + 1)
        except OSError:
            return None
        head = data[:HEAD_SIZE]
        if len(data) != size or not is_plain_text(head, path):
            return None
        self._progress.add(size)
        for count in (Count.INPUT_BYTES_READ, Count.BYTES_READ):
            self.totals.add(count, size)
        self.totals.add(Count.BLOCKS_READ)
        beam_metrics.BLOCK_BYTES.update(size)
        return Block(path, 0, data, self._encoding_of(head).name)

    def _count_stored(self, file_range: FileRange, size: int) -> None:
        """Counts the stored bytes read of a range.

        Args:
          file_range: the range that was to be read.
          size: how many bytes were found, from its start to beyond its end.

        Raises:
          InputError: the file has another size than when it was listed.
        """
        if not file_range.file_size:  # such as a pipe
            return
        planned = _planned_size(file_range)
        read = size if file_range.end is None else min(size, planned)
        self.totals.add(Count.INPUT_BYTES_READ, max(read, 0))
        if read != planned:
            length = "longer" if read > planned else "shorter"
            raise InputError(
                f"{file_range.source}: has become {length} since it was listed, when it had "
                f"{file_range.file_size:,} bytes"
            )

    def _reader(self, file: HeadFile, file_range: FileRange) -> BlockReader:
        encoding = self._encoding_of(file.head)
        _skip(file, file_range.start)
        return BlockReader(file, file_range, encoding, text=self._text, block_size=self._block_size)

    def _encoding_of(self, head: bytes) -> Encoding:
        return Encoding.detect(head) if self._encoding is None else self._encoding.of_stream(head)

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput[str, Any]:
        source = getattr(letter.payload, "source", "")
        if self._spool_folder and source.startswith(self._spool_folder):
            raise AnagramError(
                f"{source}: {letter.cause}; a pipe cannot be read again, and so cannot become a "
                "dead letter: give a file"
            )
        return super().emit_dead_letter(letter)


class _ReadShardFn(ReadRangeFn):
    def __init__(self, settings: ReadFiles):
        super().__init__(settings)
        self._beginnings: dict[str, bytes] = {}  # a cache for files on stores

    def process(self, shard: ReadShard) -> Iterator[Any]:
        are_ranged = [is_read_by_ranges(file_range.source) for file_range in shard]
        ranged = itertools.compress(shard, are_ranged)
        with reading_ahead(map(_region_of, ranged), self._beginnings) as before_next:
            for file_range, is_ranged in zip(shard, are_ranged, strict=True):
                yield from self.read_range(file_range, before_next() if is_ranged else None)


def _region_of(file_range: FileRange) -> Region:
    end = file_range.end or file_range.file_size or None
    return Region(file_range.source, file_range.start, end)


class _StoredBytes:
    """Counts the bytes of one file as they are read, before they are decompressed."""

    def __init__(self, progress: ReadProgress):
        self._progress = progress
        self.read = 0

    def add(self, size: int) -> None:
        self.read += size
        self._progress.add(size)


def _planned_size(file_range: FileRange) -> int:
    """Returns how many stored bytes of a file are in a range; 0 if unknown."""
    if not file_range.file_size:
        return 0
    return (file_range.end or file_range.file_size) - file_range.start


def _is_planned(file_range: FileRange) -> bool:
    """Whether a range is one of those into which a file was split when it was listed.

    The content may have been unreadable at that time. If it turns out that the file must not be
    split, because it is compressed or not text, the range at its beginning is used for the whole
    file, and the others are empty. This does not apply to the rest of a partially read range.
    """
    return not file_range.starts_at_cut


def _skip(file: HeadFile, start: int) -> None:
    """Moves to the start of a range. Not every decompressed stream can seek."""
    if start and file.compression is None:
        file.seek(start)
        return
    while start and (skipped := file.read(min(start, BLOCK_SIZE))):
        start -= len(skipped)
