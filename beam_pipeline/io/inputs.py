"""Resolves input patterns: finds the files that match, and plans the shards in which they are read.

Files are split into byte ranges, and ranges are grouped into read shards of about equal size, so
that many small files are read together, and one large file is read by many workers.
"""

import functools
import itertools
import os
import stat
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beam_pipeline.io.matching import (
    MatchedFile,
    SpecialFile,
    UnlistedFolder,
    has_wildcard,
    match_files,
)
from beam_pipeline.io.naming import is_temporary
from beam_pipeline.io.pipes import copy_of_pipe, copy_of_stdin, is_regular, why_not_copied
from beam_pipeline.io.shared_view import InputSize
from transforms.errors import InputError, NotTextError
from transforms.files.compression import is_compressed, open_decompressed
from transforms.files.recognition import FormatError
from transforms.files.schemes import is_local, local_path, why_unsupported
from transforms.stages.retry import describe
from transforms.text.blocks import FileRange

#: The maximum size of a range and of a read shard, in bytes.
MAX_SHARD_SIZE = 64 << 20
_MIN_SHARD_SIZE = 1 << 20
# The minimum on stores, whose requests have a latency, and how many bytes could be read meanwhile.
_MIN_SHARD_SIZE_ON_STORES = 16 << 20
_REQUEST_COST = 256 << 10
# How many shards to aim for: enough for the workers to share evenly.
_SHARDS = 64
STDIN = "-"
# The constants of Beam's `EmptyMatchTreatment`, whose module takes a while to load.
DISALLOW, ALLOW_IF_WILDCARD, ALLOW = "DISALLOW", "ALLOW_IF_WILDCARD", "ALLOW"
#: Whether a pattern may match no file.
EMPTY_MATCH = (DISALLOW, ALLOW_IF_WILDCARD, ALLOW)


class ReadShard(tuple[FileRange, ...]):
    """Ranges of files that one worker reads together.

    It is a class of its own because Beam pickles it as a whole, but each item of a plain tuple
    separately. It is pickled by columns, which is much faster for many small files.
    """

    def __reduce__(self) -> Any:
        return _shard_of_columns, tuple(zip(*self, strict=True))


def _shard_of_columns(*columns: Iterable[Any]) -> ReadShard:
    return ReadShard(itertools.starmap(FileRange, zip(*columns, strict=True)))


@dataclass
class Listing:
    """The files that the input patterns of a run match.

    Attributes:
      sizes: the stored size of each file in bytes, by path.
      unlisted: the folders that cannot be listed, by the pattern of the files missed there.
      skipped: the FIFOs, sockets, devices and broken links in folders.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    unlisted: dict[str, UnlistedFolder] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)

    @property
    def total(self) -> InputSize:
        """The number of files to read, and their size."""
        return InputSize(len(self.sizes), sum(self.sizes.values()))

    def add(self, pattern: str) -> bool:
        """Adds the files that a pattern matches; returns whether there are any.

        Raises:
          Exception: whatever a filesystem raises that cannot be reached.
        """
        is_any = False
        for match in match_files(pattern):
            match match:
                case SpecialFile(path):
                    self.skipped.add(path)
                    continue
                case UnlistedFolder():
                    self.unlisted[match.pattern] = match
                case MatchedFile(path, size):
                    if is_temporary(path):
                        continue
                    self.sizes[path] = size
            is_any = True
        return is_any


# Listings of this process, for stages that may work in it, too.
_handed_over: dict[str, Listing] = {}


def hand_over(listing: Listing) -> str:
    """Keeps a listing for a stage of a pipeline, which may be working in this very process.

    Returns:
      The key with which the stage gets it from `taken_over`.
    """
    key = uuid.uuid4().hex
    _handed_over[key] = listing
    return key


def taken_over(key: str) -> Listing | None:
    """Returns a listing that was handed over, once; None if it is not there, or no longer."""
    return _handed_over.pop(key, None)


def list_files(patterns: Iterable[str], empty_match_treatment: str = DISALLOW) -> Listing:
    """Lists the files that patterns match.

    Args:
      patterns: see `beam_pipeline.io.matching`.
      empty_match_treatment: one of `EMPTY_MATCH`.

    Raises:
      InputError: a pattern matches no file, although it must.
      Exception: whatever a filesystem raises that cannot be reached.
    """
    listing = Listing()
    for pattern in patterns:
        if not listing.add(pattern) and not _may_be_empty(pattern, empty_match_treatment):
            raise InputError(f"{pattern}: no file matches")
    return listing


def _may_be_empty(pattern: str, treatment: str) -> bool:
    if treatment == ALLOW_IF_WILDCARD:
        return has_wildcard(pattern)
    return treatment == ALLOW


def resolve_input(pattern: str, spool_folder: str, listing: Listing) -> str:
    """Returns the pattern for workers of an input that a user has given.

    Local paths become absolute. Standard input, FIFOs and devices are copied, because no other
    process could read them.

    Args:
      pattern: a file, a folder, a glob, or ``-`` for standard input.
      spool_folder: the folder for copies.
      listing: the files that the pattern matches are added to it.

    Raises:
      InputError: no file matches, or it cannot be read.
    """
    if not pattern:
        raise InputError(": no file has an empty name")
    if pattern == STDIN:
        return _copied(copy_of_stdin, pattern, spool_folder, listing)
    if (fault := why_unsupported(pattern)) is not None:
        raise InputError(f"{pattern}: {fault}")
    resolved = local_path(pattern)
    if is_local(resolved):
        resolved = os.path.abspath(resolved)
        if not is_regular(resolved):
            copy = functools.partial(copy_of_pipe, resolved)
            return _copied(copy, pattern, spool_folder, listing)
        if os.path.isfile(resolved) and not os.access(resolved, os.R_OK):
            raise InputError(f"{pattern}: permission denied")
        if pattern.endswith("/"):
            resolved = os.path.join(resolved, "")
    try:
        is_any = listing.add(resolved)
    except Exception as error:  # each filesystem raises its own
        raise InputError(f"{pattern}: cannot be matched ({describe(error)})") from error
    if not is_any:
        raise InputError(f"{pattern}: no file matches")
    return resolved


def reads_terminal(patterns: Sequence[str]) -> bool:
    """Returns whether one of the patterns that a user gave reads from a terminal."""
    return any(map(_is_terminal, patterns))


def _is_terminal(pattern: str) -> bool:
    if pattern == STDIN:
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        if not stat.S_ISCHR(os.stat(pattern).st_mode):
            return False
        with open(pattern, "rb", buffering=0) as device:
            return device.isatty()
    except (OSError, ValueError):
        return False


def _copied(copy: Callable[[str], str], name: str, folder: str, listing: Listing) -> str:
    """Copies an input that can be read only once, and returns the path of the copy.

    Args:
      copy: makes the copy in a folder.
      name: the name of the original, for messages.
      folder: the folder for the copy.
      listing: the copy is added to it.

    Raises:
      InputError: it cannot be copied.
      NotTextError: it is not text.
    """
    try:
        path = copy(folder)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {why_not_copied(error, folder)}") from error
    try:
        open_decompressed(path).close()
    except FormatError as error:
        raise NotTextError(f"{name}: {error.message('FILE')}") from error
    except Exception:  # each decompressor raises its own; the run will find it too
        pass
    listing.add(path)
    return path


def plan_shards(
    sizes: Mapping[str, int],
    shard_size: int | None = None,
    is_whole: Callable[[str], bool] = is_compressed,
) -> Iterator[ReadShard]:
    """Yields shards that together read every file once.

    Args:
      sizes: the stored size of each file in bytes, by path.
      shard_size: the approximate size of a shard in bytes; by default a share of the total.
      is_whole: returns whether the file at a path must not be split; only called for files that are
        larger than a shard. By default, the extension decides.
    """
    if shard_size is None:
        shard_size = _default_shard_size(sizes)
    shard_size += -shard_size % 4  # ranges must not cut code units of 2 or 4 bytes
    shard: list[FileRange] = []
    filled = 0
    for path, size in sizes.items():
        for file_range, range_size in _split(path, size, shard_size, is_whole):
            cost = _cost(path, range_size)
            if shard and filled + cost > shard_size:
                yield ReadShard(shard)
                shard, filled = [], 0
            shard.append(file_range)
            filled += cost
    if shard:
        yield ReadShard(shard)


def _default_shard_size(sizes: Mapping[str, int]) -> int:
    total = sum(map(_cost, sizes, sizes.values()))
    are_local = all(map(is_local, sizes))
    least = _MIN_SHARD_SIZE if are_local else _MIN_SHARD_SIZE_ON_STORES
    return min(max(total // _SHARDS, least), MAX_SHARD_SIZE)


def _cost(path: str, size: int) -> int:
    """Returns the cost of reading a range, as the number of bytes of a large file."""
    return size if is_local(path) else size + _REQUEST_COST


def _split(
    path: str, size: int, range_size: int, is_whole: Callable[[str], bool]
) -> Iterator[tuple[FileRange, int]]:
    if size <= range_size or is_whole(path):
        yield FileRange(path, file_size=size), size
        return
    for start in range(0, size, range_size):
        end = start + range_size
        file_range = FileRange(path, start, end if end < size else None, file_size=size)
        yield file_range, min(range_size, size - start)
