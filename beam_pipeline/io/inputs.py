"""What input patterns mean: the files that match, and the shards in which they are read.

Files are split into byte ranges, and ranges grouped into read shards of about equal size (small
files together, large files apart), so that many small files cost little and one large file is
read by many workers.
"""

import errno
import functools
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from apache_beam.io.filesystems import FileSystems

from beam_pipeline.io.publishing import is_temporary
from beam_pipeline.standard_streams import read_stdin
from transforms.errors import InputError
from transforms.files.compression import is_compressed
from transforms.text.blocks import BLOCK_SIZE, FileRange

#: No range and no read shard is larger, in bytes.
MAX_SHARD_SIZE = 64 << 20
_MIN_SHARD_SIZE = 1 << 20
# How many shards to aim for: enough for the workers to share evenly.
_SHARDS = 64
STDIN = "-"


class ReadShard(tuple[FileRange, ...]):
    """Ranges of files that one worker reads together.

    A class of its own, as Beam then pickles it whole, and of a plain tuple each item separately.
    """


def expand_patterns(pattern: str, spool_folder: str) -> list[str]:
    """Returns the Beam file patterns for what a user gave as an input.

    A folder means all files below it, ``**/`` also means no folder at all, and the name of an
    existing file means this file even if it looks like a pattern. Standard input and other pipes
    are copied, because no other process could read them.

    Args:
      pattern: a file, a folder, a glob, or ``-`` for standard input.
      spool_folder: where copies are put.

    Raises:
      InputError: nothing matches, or it cannot be read.
    """
    if not pattern:
        raise InputError(": no file has an empty name")
    if pattern == STDIN:
        return [_spool(pattern, read_stdin, spool_folder)]
    if FileSystems.get_scheme(pattern) is not None:
        is_folder = pattern.endswith("/")
        patterns = _variants(pattern + "**" if is_folder else pattern)
    elif os.path.isdir(pattern):
        patterns = [os.path.join(glob.escape(os.path.abspath(pattern)), "**")]
    elif os.path.exists(pattern):
        if not stat.S_ISREG(os.stat(pattern).st_mode):
            return [_spool(pattern, functools.partial(_copy, pattern), spool_folder)]
        if not os.access(pattern, os.R_OK):
            raise InputError(f"{pattern}: permission denied")
        patterns = [glob.escape(os.path.abspath(pattern))]
    else:
        patterns = _variants(os.path.abspath(pattern))
    try:
        matches = any(any(_files(patterns, limit)) for limit in (1, None))
    except Exception as error:  # each filesystem raises its own
        raise InputError(f"{pattern}: cannot be matched ({error})") from error
    if not matches:
        raise InputError(f"{pattern}: no file matches")
    return patterns


def _variants(pattern: str) -> list[str]:
    head, deep, tail = pattern.partition("/**/")
    if not deep:
        return [pattern]
    return [head + joint + rest for rest in _variants(tail) for joint in (deep, "/")]


def _spool(pattern: str, copy: Callable[[IO[bytes]], None], folder: str) -> str:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="pipe-", delete=False) as file:
            copy(file)
    except OSError as error:
        reason = error.strerror or error
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            reason = f"no room for a copy of it in {os.path.dirname(folder)} ({reason}); set TMPDIR"
        raise InputError(f"{pattern}: cannot be read: {reason}") from error
    return glob.escape(file.name)


def _copy(path: str, file: IO[bytes]) -> None:
    with open(path, "rb") as pipe:
        shutil.copyfileobj(pipe, file, BLOCK_SIZE)


def plan_shards(
    patterns: tuple[str, ...],
    shard_size: int | None = None,
    on_listed: Callable[[int, int], None] = lambda files, size: None,
) -> Iterator[ReadShard]:
    """Yields shards that together read every file that matches `patterns` once.

    Args:
      patterns: Beam file patterns.
      shard_size: about how many bytes are in a shard; by default a share of the whole.
      on_listed: called with the number of files and their bytes as stored, once they are known.
    """
    sizes = dict(_files(patterns))
    on_listed(len(sizes), sum(sizes.values()))
    if shard_size is None:
        shard_size = min(max(sum(sizes.values()) // _SHARDS, _MIN_SHARD_SIZE), MAX_SHARD_SIZE)
        shard_size += -shard_size % 4  # ranges must not cut code units of 2 or 4 bytes
    shard: list[FileRange] = []
    filled = 0
    for path, size in sizes.items():
        for file_range, range_size in _split(path, size, shard_size):
            if shard and filled + range_size > shard_size:
                yield ReadShard(shard)
                shard, filled = [], 0
            shard.append(file_range)
            filled += range_size
    if shard:
        yield ReadShard(shard)


def _files(patterns: Sequence[str], limit: int | None = None) -> Iterator[tuple[str, int]]:
    """Yields path and size of each text among the first `limit` files that match each pattern."""
    for match in FileSystems.match(list(patterns), limits=[limit] * len(patterns)):
        for file in match.metadata_list:
            if not is_temporary(file.path):
                yield file.path, file.size_in_bytes


def _split(path: str, size: int, range_size: int) -> Iterator[tuple[FileRange, int]]:
    if size <= range_size or is_compressed(path):
        yield FileRange(path), size
        return
    for start in range(0, size, range_size):
        end = start + range_size
        file_range = FileRange(path, start, end if end < size else None)
        yield file_range, min(range_size, size - start)
