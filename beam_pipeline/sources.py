"""Where text comes from: files of any Beam filesystem, or a string -> `Block`s.

Files are matched when the pipeline runs, split into byte ranges, and the ranges grouped into
work units of about equal size (small files together, big files apart), so that many small
files cost little and one big file is read by many workers.
"""

import glob
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PBegin, PCollection

from beam_pipeline.sinks import is_temporary
from transforms.blocks import BLOCK_SIZE, Block, BlockReader
from transforms.checks import check_one_of, check_positive
from transforms.compression import is_compressed, open_decompressed
from transforms.encoding import ERROR_POLICIES, Encoding
from transforms.errors import AnagramError
from transforms.text import NORMALIZATIONS

#: No range and no work unit is larger, in bytes.
MAX_UNIT_SIZE = 64 << 20
_MIN_UNIT_SIZE = 1 << 20
_UNITS = 64
STDIN = "-"


#: Path, start, end of a part of a file. An end of None is the file's end.
ByteRange = tuple[str, int, int | None]
WorkUnit = tuple[ByteRange, ...]


@dataclass
class ReadString(beam.PTransform):
    """A string, held in the pipeline itself -> its `Block`s."""

    text: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, root: PBegin) -> PCollection[Block]:
        # Bytes of the command line that are no valid text arrive as lone surrogates.
        data = self.text.encode("utf-8", "surrogateescape")
        reader = BlockReader(BytesIO(data), "<text>", Encoding(), stretch_limit=len(data) + 1)
        blocks = list(reader.blocks())
        return root | "HoldText" >> beam.Create(blocks, reshuffle=False).with_output_types(Block)


@dataclass
class ReadFiles(beam.PTransform):
    """The files that `patterns` match, each once -> their `Block`s.

    Attributes:
      patterns: as `resolve` gives them.
      encoding, errors, normalization: see `transforms.blocks.BlockReader`.
      block_size: bytes in a block, about.

    Raises (when it runs):
      AnagramError: a file cannot be read, or under ``strict`` not decoded.
    """

    patterns: tuple[str, ...]
    encoding: str = "utf-8"
    errors: str = "replace"
    normalization: str = "unicode"
    block_size: int = BLOCK_SIZE

    def __post_init__(self) -> None:
        super().__init__()
        Encoding(self.encoding)
        check_one_of(ERROR_POLICIES, errors=self.errors)
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_positive(block_size=self.block_size)

    def expand(self, root: PBegin) -> PCollection[Block]:
        return (
            root
            | "Patterns" >> beam.Create([self.patterns], reshuffle=False)
            | "PlanWorkUnits" >> beam.FlatMap(plan).with_output_types(WorkUnit)
            | "SpreadWorkUnits" >> beam.Reshuffle()
            | "ReadBlocks" >> beam.ParDo(_ReadFn(self)).with_output_types(Block)
        )


def plan(patterns: tuple[str, ...], unit_size: int | None = None) -> Iterator[WorkUnit]:
    """File `patterns` -> the work units that read every matching file once.

    Args:
      unit_size: bytes in a unit, about; by default a share of the whole.
    """
    sizes = dict(_files(patterns))
    if unit_size is None:
        unit_size = min(max(sum(sizes.values()) // _UNITS, _MIN_UNIT_SIZE), MAX_UNIT_SIZE)
        unit_size += -unit_size % 4  # ranges must not cut wide code units
    unit: list[ByteRange] = []
    filled = 0
    for path, size in sizes.items():
        for part, part_size in _split(path, size, unit_size):
            if unit and filled + part_size > unit_size:
                yield tuple(unit)
                unit, filled = [], 0
            unit.append(part)
            filled += part_size
    if unit:
        yield tuple(unit)


def _files(patterns: Sequence[str], limit: int | None = None) -> Iterator[tuple[str, int]]:
    """Path and size of each text among the first `limit` files that match each pattern."""
    for match in FileSystems.match(list(patterns), limits=[limit] * len(patterns)):
        for file in match.metadata_list:
            if not is_temporary(file.path):
                yield file.path, file.size_in_bytes


def _split(path: str, size: int, unit_size: int) -> Iterator[tuple[ByteRange, int]]:
    if size <= unit_size or is_compressed(path):
        yield (path, 0, None), size
        return
    for start in range(0, size, unit_size):
        end = start + unit_size
        yield (path, start, end if end < size else None), min(unit_size, size - start)


class _ReadFn(beam.DoFn):
    def __init__(self, settings: ReadFiles):
        self._encoding = Encoding(settings.encoding)
        self._errors = settings.errors
        self._normalization = settings.normalization
        self._block_size = settings.block_size

    def process(self, unit: WorkUnit) -> Iterator[Block]:
        for part in unit:
            try:
                yield from self._read(*part)
            except AnagramError:
                raise
            except Exception as error:  # filesystems and decompressors raise their own
                raise AnagramError(f"{part[0]}: cannot be read ({error})") from error

    def _read(self, path: str, start: int, end: int | None) -> Iterator[Block]:
        encoding = self._encoding
        if encoding.has_byte_order_mark:
            with open_decompressed(path) as stream:
                encoding = encoding.of_stream(stream.read(4))
        with open_decompressed(path) as stream:
            if start:
                stream.seek(start)
            reader = BlockReader(
                stream,
                path,
                encoding,
                start=start,
                normalization=self._normalization,
                errors=self._errors,
                block_size=self._block_size,
            )
            yield from reader.blocks(end)


def resolve(pattern: str, spool_dir: str) -> list[str]:
    """What a user gave as an input -> the Beam file patterns that mean it.

    A folder stands for all files below it, ``**/`` also for no folder at all; a file whose
    name looks like a pattern stands for itself. Standard input and other pipes are copied to
    `spool_dir`, since no other process could read them.

    Raises:
      AnagramError: nothing matches, or it cannot be read; the message begins with the pattern.
    """
    if not pattern:
        raise AnagramError(": no file has an empty name")
    if pattern == STDIN:
        return [_spool(sys.stdin.buffer, spool_dir)]
    if FileSystems.get_scheme(pattern) is not None:
        folder = pattern.endswith("/")
        patterns = _variants(pattern + "**" if folder else pattern)
    elif os.path.isdir(pattern):
        patterns = [os.path.join(glob.escape(os.path.abspath(pattern)), "**")]
    elif os.path.exists(pattern):
        if not stat.S_ISREG(os.stat(pattern).st_mode):
            with open(pattern, "rb") as pipe:
                return [_spool(pipe, spool_dir)]
        if not os.access(pattern, os.R_OK):
            raise AnagramError(f"{pattern}: permission denied")
        patterns = [glob.escape(os.path.abspath(pattern))]
    else:
        patterns = _variants(os.path.abspath(pattern))
    try:
        matches = any(any(_files(patterns, limit)) for limit in (1, None))
    except Exception as error:  # each filesystem raises its own
        raise AnagramError(f"{pattern}: cannot be matched ({error})") from error
    if not matches:
        raise AnagramError(f"{pattern}: no file matches")
    return patterns


def _variants(pattern: str) -> list[str]:
    head, deep, tail = pattern.partition("/**/")
    if not deep:
        return [pattern]
    return [head + joint + rest for rest in _variants(tail) for joint in (deep, "/")]


def _spool(pipe: BinaryIO, spool_dir: str) -> str:
    with tempfile.NamedTemporaryFile(dir=spool_dir, prefix="pipe-", delete=False) as file:
        shutil.copyfileobj(pipe, file, BLOCK_SIZE)
    return glob.escape(file.name)
