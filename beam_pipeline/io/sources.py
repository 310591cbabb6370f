"""Where text comes from: files of any Beam filesystem, or a string -> `Block`s."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from beam_pipeline.io.inputs import ReadShard, plan_shards
from beam_pipeline.monitor.read_progress import ReadProgress, write_plan
from transforms.checks import check_one_of, check_positive
from transforms.errors import AnagramError
from transforms.files.compression import is_compressed
from transforms.files.retrying_file import open_retrying
from transforms.stages import metrics
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.retry import Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import ElementFn, Stage, StageFn
from transforms.text.blocks import BLOCK_SIZE, Block, BlockReader, FileRange
from transforms.text.encoding import ERROR_POLICIES, Encoding
from transforms.text.normalize import NORMALIZATIONS


@dataclass
class ReadString(Stage):
    """A string, held in the pipeline itself -> its `Block`s."""

    text: str = ""

    def expand(self, root: PBegin) -> PCollection[Block]:
        # Bytes of the command line that are no valid text arrive as lone surrogates.
        data = self.text.encode("utf-8", "surrogateescape")
        held = root | "HoldText" >> beam.Create([data], reshuffle=False)
        return self.run(held, "CutIntoBlocks", _CutFn("read", self.resilience), Block)


class _CutFn(ElementFn):
    def process_element(self, data: bytes) -> list[Block]:
        part = FileRange("<text>")
        limit = len(data) + 1
        return list(BlockReader(BytesIO(data), part, Encoding(), stretch_limit=limit).blocks())

    def dead_letter_payload(self, data: bytes) -> Block:
        return Block("<text>", 0, data)

    def count(self, data: bytes, blocks: list[Block]) -> None:
        self.totals.update(bytes_read=len(data), records_read=len(blocks))

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput:
        self.totals["records_read"] += 1
        return super().emit_dead_letter(letter)


@dataclass
class ReadFiles(Stage):
    """The files that `patterns` match, each once -> their `Block`s.

    Attributes:
      patterns: as `resolve` gives them.
      encoding, errors, normalization: see `transforms.text.blocks.BlockReader`.
      block_size: bytes in a block, about.
      spool: the folder of files that last as long as the run; what of them cannot be read is no
        dead letter, since it could not be read again.
      gauge: the folder where to tell how far reading is, see
        `beam_pipeline.monitor.read_progress`; empty: nowhere.

    Raises (when it runs):
      AnagramError: a file cannot be read, or under ``strict`` not decoded.
    """

    patterns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    errors: str = "replace"
    normalization: str = "unicode"
    block_size: int = BLOCK_SIZE
    spool: str = ""
    gauge: str = field(default="", compare=False)  # no setting of the work itself

    def __post_init__(self) -> None:
        super().__post_init__()
        Encoding(self.encoding)
        check_one_of(ERROR_POLICIES, errors=self.errors)
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_positive(block_size=self.block_size)

    def expand(self, root: PBegin) -> PCollection[Block]:
        patterns = root | "Patterns" >> beam.Create([self.patterns], reshuffle=False)
        units = self.run(patterns, "PlanWorkUnits", _PlanFn(self), ReadShard)
        spread = units | "SpreadWorkUnits" >> beam.Reshuffle()
        return self.run(spread, "ReadBlocks", _ReadFn(self), Block)


class _PlanFn(StageFn):
    def __init__(self, settings: ReadFiles):
        super().__init__(settings.resilience)
        self._retrier = Retrier("read", settings.resilience.without_chaos())
        self._gauge = settings.gauge

    def process(self, patterns: tuple[str, ...]) -> Iterator[ReadShard]:
        try:
            units = self._retrier(lambda: list(plan_shards(patterns, tell=self._tell)))
        except RetriesExhaustedError as error:
            raise AnagramError(f"--input={patterns[0]}: {error}") from error
        for unit in units:
            self.totals["parts_planned"] += len(unit)
            yield unit
        self.totals.update(input_files=self._files, input_bytes=self._size)

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.emit_totals(self._retrier)

    def _tell(self, files: int, size: int) -> None:
        self._files, self._size = files, size
        write_plan(self._gauge, files, size)


class PartFn(StageFn):
    """Reads parts of files, as the settings of a `ReadFiles` have it."""

    def __init__(self, settings: ReadFiles):
        super().__init__(settings.resilience)
        self._encoding = Encoding(settings.encoding)
        self._errors = settings.errors
        self._normalization = settings.normalization
        self._block_size = settings.block_size
        self._spool = settings.spool
        self._retrier = Retrier("read", settings.resilience)
        self._gauge_folder = settings.gauge

    def setup(self) -> None:
        self._gauge = ReadProgress(self._gauge_folder)

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.emit_totals(self._retrier)

    def read_part(self, part: FileRange) -> Iterator[Block | TaggedOutput]:
        """`part` -> its blocks, and dead letters for what cannot be read."""
        reader = None
        self.totals["parts_read"] += 1
        try:
            with self._open(part.source) as stream:
                encoding = self._encoding_of(part.source)
                _skip(stream, part)
                reader = BlockReader(
                    stream,
                    part,
                    encoding,
                    normalization=self._normalization,
                    errors=self._errors,
                    block_size=self._block_size,
                )
                for block in reader.blocks():
                    self.totals["records_read"] += 1
                    metrics.BLOCK_BYTES.update(len(block.data))
                    yield block
        except AnagramError:
            raise
        except Exception as error:  # each decompressor raises its own
            spent = (
                error
                if isinstance(error, RetriesExhaustedError)
                else RetriesExhaustedError("read", error, 1)
            )
            self.totals["records_read"] += 1
            yield self.to_dead_letter(spent, reader.rest if reader else part)
        if reader is not None:
            self.totals["bytes_read"] += reader.consumed
            for rest, undecodable in reader.undecodable:
                self.totals["records_read"] += 1
                yield self.emit_dead_letter(DeadLetter("read", describe(undecodable), 1, rest))

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput:
        source = getattr(letter.payload, "source", "")
        if self._spool and source.startswith(self._spool):
            raise AnagramError(
                f"standard input or pipe: {letter.cause}; it cannot be read again, and so not be "
                "put aside: give a file"
            )
        return super().emit_dead_letter(letter)

    def _encoding_of(self, path: str) -> Encoding:
        if not self._encoding.has_byte_order_mark:
            return self._encoding
        with self._open(path) as stream:
            return self._encoding.of_stream(stream.read(4))

    def _open(self, path: str) -> BinaryIO:
        return open_retrying(path, self._retrier, self._gauge.add)


class _ReadFn(PartFn):
    def process(self, unit: ReadShard) -> Iterator[Any]:
        for part in unit:
            yield from self.read_part(part)


def _skip(stream: BinaryIO, part: FileRange) -> None:
    """Goes to the start of `part`. Not every decompressed stream can seek."""
    left = part.start
    if left and not is_compressed(part.source):
        stream.seek(left)
        return
    while left and (skipped := stream.read(min(left, BLOCK_SIZE))):
        left -= len(skipped)
