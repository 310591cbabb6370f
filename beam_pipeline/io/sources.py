"""Reads text as `Block`s: from files on any Beam filesystem, or from a string."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, ClassVar

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from beam_pipeline.io.inputs import ReadShard, plan_shards
from beam_pipeline.monitor.read_progress import ReadProgress, write_plan
from transforms.checks import check_positive
from transforms.errors import AnagramError, InputError
from transforms.files.compression import is_compressed
from transforms.files.retrying_file import open_retrying
from transforms.stages import beam_metrics
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.retry import Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import ElementFn, Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.blocks import BLOCK_SIZE, Block, BlockReader, FileRange
from transforms.text.encoding import Encoding
from transforms.text.settings import TextSettings


@dataclass
class ReadString(Stage):
    """Reads a string, which is held in the pipeline itself.

    Attributes:
      text: the string; bytes that are not valid UTF-8 as lone surrogates, as in `sys.argv`.
    """

    text: str = ""
    measures: ClassVar = frozenset({Count.BYTES_READ, Count.BLOCKS_READ})

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
      patterns: Beam file patterns; see `beam_pipeline.io.inputs.expand_patterns`.
      encoding: of the files.
      text: how bytes become words; reading must know, as very long words are decoded on the way.
      block_size: about how large blocks are, in bytes.
      spool_folder: the folder of files that last as long as the run, such as copies of pipes.
        What of them cannot be read does not become a dead letter: nobody could read it again.
      progress_folder: where to write how far reading is; see
        `beam_pipeline.monitor.read_progress`. Empty: nowhere.

    Raises:
      InputError: when it runs: a file cannot be read.
      UndecodableTextError: when it runs: a file is not valid text, under ``strict``.
    """

    patterns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    text: TextSettings = field(default_factory=TextSettings)
    block_size: int = BLOCK_SIZE
    spool_folder: str = ""
    progress_folder: str = field(default="", compare=False)  # not a setting of the work itself
    measures: ClassVar = frozenset(
        {Count.RANGES_PLANNED, Count.RANGES_READ, Count.BYTES_READ, Count.BLOCKS_READ}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        Encoding(self.encoding)
        check_positive(block_size=self.block_size)

    @property
    def expects_dead_letters(self) -> bool:
        return super().expects_dead_letters or self.text.encoding_errors == "quarantine"

    def expand(self, root: PBegin) -> PCollection[Block]:
        patterns = root | "Patterns" >> beam.Create([_Patterns(self.patterns)], reshuffle=False)
        shards = self.apply_fn(patterns, "PlanShards", _PlanFn(self), ReadShard)
        spread = shards | "SpreadShards" >> beam.Reshuffle()
        return self.apply_fn(spread, "ReadBlocks", _ReadShardFn(self), Block)


class _Patterns(tuple[str, ...]):
    """A class of its own, as Beam then pickles it; it cannot encode names that are not UTF-8."""


class _PlanFn(StageFn):
    def __init__(self, settings: ReadFiles):
        super().__init__(settings.resilience)
        self._retrier = Retrier("read", settings.resilience.without_chaos())
        self._progress_folder = settings.progress_folder

    def process(self, patterns: _Patterns) -> Iterator[ReadShard]:
        try:
            shards = self._retrier(lambda: list(plan_shards(patterns, on_listed=self._on_listed)))
        except RetriesExhaustedError as error:
            raise InputError(f"{patterns[0]}: {error}") from error
        for shard in shards:
            self.totals.add(Count.RANGES_PLANNED, len(shard))
            yield shard
        self.totals.add(Count.INPUT_FILES, self._files)
        self.totals.add(Count.INPUT_BYTES, self._size)

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def _on_listed(self, files: int, size: int) -> None:
        self._files, self._size = files, size
        write_plan(self._progress_folder, files, size)


class ReadRangeFn(StageFn):
    """Reads ranges of files, as the settings of a `ReadFiles` say."""

    def __init__(self, settings: ReadFiles):
        super().__init__(settings.resilience)
        self._encoding = Encoding(settings.encoding)
        self._text = settings.text
        self._block_size = settings.block_size
        self._spool_folder = settings.spool_folder
        self._progress_folder = settings.progress_folder
        self._retrier = Retrier("read", settings.resilience)

    def setup(self) -> None:
        self._progress = ReadProgress(self._progress_folder)

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def read_range(self, file_range: FileRange) -> Iterator[Block | TaggedOutput[str, Any]]:
        """Yields the blocks of a range, and dead letters for what cannot be read."""
        reader = None
        self.totals.add(Count.RANGES_READ)
        try:
            with self._open(file_range.source) as stream:
                encoding = self._encoding_of(file_range.source)
                _skip(stream, file_range)
                reader = BlockReader(
                    stream,
                    file_range,
                    encoding,
                    text=self._text,
                    block_size=self._block_size,
                )
                for block in reader.blocks():
                    self.totals.add(Count.BLOCKS_READ)
                    beam_metrics.BLOCK_BYTES.update(len(block.data))
                    yield block
        except AnagramError:
            raise
        except Exception as error:  # each decompressor raises its own
            exhausted = (
                error
                if isinstance(error, RetriesExhaustedError)
                else RetriesExhaustedError("read", error, 1)
            )
            self.totals.add(Count.BLOCKS_READ)
            yield self.to_dead_letter(exhausted, reader.unread if reader else file_range)
        if reader is not None:
            self.totals.add(Count.BYTES_READ, reader.consumed)
            for left_out, undecodable in reader.undecodable:
                self.totals.add(Count.BLOCKS_READ)
                yield self.emit_dead_letter(DeadLetter("read", describe(undecodable), 1, left_out))

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput[str, Any]:
        source = getattr(letter.payload, "source", "")
        if self._spool_folder and source.startswith(self._spool_folder):
            raise AnagramError(
                f"standard input or pipe: {letter.cause}; it cannot be read again, and so cannot "
                "become a dead letter: give a file"
            )
        return super().emit_dead_letter(letter)

    def _encoding_of(self, path: str) -> Encoding:
        if not self._encoding.has_byte_order_mark:
            return self._encoding
        with self._open(path) as stream:
            return self._encoding.of_stream(stream.read(4))

    def _open(self, path: str) -> BinaryIO:
        return open_retrying(path, self._retrier, self._progress.add)


class _ReadShardFn(ReadRangeFn):
    def process(self, shard: ReadShard) -> Iterator[Any]:
        for file_range in shard:
            yield from self.read_range(file_range)


def _skip(stream: BinaryIO, file_range: FileRange) -> None:
    """Moves to the start of a range. Not every decompressed stream can seek."""
    left = file_range.start
    if left and not is_compressed(file_range.source):
        stream.seek(left)
        return
    while left and (skipped := stream.read(min(left, BLOCK_SIZE))):
        left -= len(skipped)
