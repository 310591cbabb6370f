"""What input patterns mean: the files that match, and the work units that read them.

Files are split into byte ranges, and the ranges grouped into work units of about equal size
(small files together, big files apart), so that many small files cost little and one big file
is read by many workers.
"""

import glob
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from apache_beam.io.filesystems import FileSystems

from beam_pipeline.io.publishing import is_temporary
from transforms.errors import AnagramError
from transforms.files.compression import is_compressed
from transforms.text.blocks import BLOCK_SIZE, FileRange

#: No part and no work unit is larger, in bytes.
MAX_UNIT_SIZE = 64 << 20
_MIN_UNIT_SIZE = 1 << 20
_UNITS = 64
STDIN = "-"


class ReadShard(tuple[FileRange, ...]):
    """Parts of files that one worker reads together.

    Beam pickles a class of its own whole, and of a plain tuple each item for itself.
    """


def expand_patterns(pattern: str, spool_dir: str) -> list[str]:
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


def plan_shards(
    patterns: tuple[str, ...],
    unit_size: int | None = None,
    tell: Callable[[int, int], None] = lambda files, size: None,
) -> Iterator[ReadShard]:
    """File `patterns` -> the work units that read every matching file once.

    Args:
      unit_size: bytes in a unit, about; by default a share of the whole.
      tell: called with the number of files and their bytes as stored, once they are known.
    """
    sizes = dict(_files(patterns))
    tell(len(sizes), sum(sizes.values()))
    if unit_size is None:
        unit_size = min(max(sum(sizes.values()) // _UNITS, _MIN_UNIT_SIZE), MAX_UNIT_SIZE)
        unit_size += -unit_size % 4  # ranges must not cut wide code units
    unit: list[FileRange] = []
    filled = 0
    for path, size in sizes.items():
        for part, part_size in _split(path, size, unit_size):
            if unit and filled + part_size > unit_size:
                yield ReadShard(unit)
                unit, filled = [], 0
            unit.append(part)
            filled += part_size
    if unit:
        yield ReadShard(unit)


def _files(patterns: Sequence[str], limit: int | None = None) -> Iterator[tuple[str, int]]:
    """Path and size of each text among the first `limit` files that match each pattern."""
    for match in FileSystems.match(list(patterns), limits=[limit] * len(patterns)):
        for file in match.metadata_list:
            if not is_temporary(file.path):
                yield file.path, file.size_in_bytes


def _split(path: str, size: int, unit_size: int) -> Iterator[tuple[FileRange, int]]:
    if size <= unit_size or is_compressed(path):
        yield FileRange(path), size
        return
    for start in range(0, size, unit_size):
        end = start + unit_size
        part = FileRange(path, start, end if end < size else None)
        yield part, min(unit_size, size - start)
