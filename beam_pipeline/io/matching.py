"""Finds the files that patterns match.

Patterns have Beam's syntax: ``*`` matches any name, ``**`` any folders, ``?`` a character, ``[ab]``
one of several. Local folders are walked here, not by Beam, which silently skips folders that cannot
be listed and links to folders, and treats brackets in the name of a folder as wildcards.
"""

import errno
import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from transforms.files import stores
from transforms.files.schemes import is_local, local_path
from transforms.stages.faults import is_transient

_WILDCARD = re.compile(r"[*?[]")
# The identity of a folder, whatever its path: its device and inode.
_Identity = tuple[int, int]


class MatchedFile(NamedTuple):
    """A file that a pattern matches.

    Attributes:
      path: the path of the file.
      size: its stored size in bytes; 0 if unknown.
    """

    path: str
    size: int


class UnlistedFolder(NamedTuple):
    """A folder in which a pattern may match files, but which cannot be listed.

    Attributes:
      path: the path of the folder.
      pattern: the part of the pattern that applies to this folder, as an absolute pattern.
      error: the error of listing it.
    """

    path: str
    pattern: str
    error: OSError


class SpecialFile(NamedTuple):
    """A match in a folder that is not read: a FIFO, a socket, a device, or a broken link."""

    path: str


Match = MatchedFile | UnlistedFolder | SpecialFile


def match_files(pattern: str) -> Iterator[Match]:
    """Yields the matches of a pattern, in no particular order, and possibly more than once.

    Local paths are yielded as absolute paths.

    A part of a pattern is taken literally if a file or folder of that name exists. A folder stands
    for all files below it. Links are followed, but not to a folder that contains them.

    Args:
      pattern: a pattern on any Beam filesystem.

    Raises:
      Exception: whatever a filesystem raises that cannot be reached.
    """
    pattern = local_path(pattern)
    if not is_local(pattern):
        yield from _match_remote(pattern)
        return
    path = os.path.abspath(pattern)
    if os.path.lexists(path):
        yield from _match_local(path, [])
    else:
        below = ["**"] if pattern.endswith("/") else []
        yield from _match_local("/", [*path[1:].split("/"), *below])


def has_wildcard(pattern: str) -> bool:
    """Returns whether a pattern may match more than one name."""
    return _WILDCARD.search(pattern) is not None


def _match_remote(pattern: str) -> Iterator[MatchedFile]:
    if "[" in pattern and stores.exists(pattern):
        files = [stores.metadata(pattern)]
    else:
        files = stores.match(_variants(pattern + "**" if pattern.endswith("/") else pattern))
    for file in files:
        yield MatchedFile(file.path, file.size_in_bytes)


def _variants(pattern: str) -> list[str]:
    """Returns patterns for ``**`` with and without folders, because Beam requires at least one."""
    head, deep, tail = pattern.partition("/**/")
    if not deep:
        return [pattern]
    return [head + joint + rest for rest in _variants(tail) for joint in (deep, "/")]


def _match_local(path: str, parts: list[str]) -> Iterator[Match]:
    """Yields what the parts of a pattern match below `path`, or `path` itself without parts."""
    while parts:
        inner = os.path.join(path, parts[0])
        if _WILDCARD.search(parts[0]) and not os.path.lexists(inner):
            break
        path, parts = inner, parts[1:]
    if parts:
        yield from _match_wildcard(path, *parts)
        return
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            yield UnlistedFolder(os.path.dirname(path), glob.escape(path), error)
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _match_below(path, [])
    else:  # even a pipe, because it was given by name
        yield MatchedFile(path, status.st_size)


def _match_wildcard(folder: str, part: str, *rest: str) -> Iterator[Match]:
    """Yields what a pattern matches in a folder that begins with a wildcard."""
    before, deep, after = part.partition("**")
    if part == deep:
        yield from _match_below(folder, [*rest])
    elif not deep:
        yield from _match_inside(folder, part, [*rest])
    else:  # such as a**b, which is a*b and a*/**/*b
        after = after.lstrip("*")
        yield from _match_wildcard(folder, f"{before}*{after}", *rest)
        first = [f"{before}*"] if before else []
        last = [f"*{after}"] if after or rest else []
        yield from _match_wildcard(folder, *first, deep, *last, *rest)


def _match_inside(folder: str, part: str, rest: list[str]) -> Iterator[Match]:
    """Yields what `rest` matches in folders, or files without `rest`, whose name `part` matches."""
    entries = _list(folder, [part, *rest])
    if isinstance(entries, UnlistedFolder):
        yield entries
        return
    matches = re.compile(fnmatch.translate(part)).match
    for entry in entries:
        if not matches(entry.name):
            continue
        if not rest:
            yield from _match_entry(entry)
        elif _is_folder(entry):
            yield from _match_local(entry.path, rest)


def _match_below(folder: str, rest: list[str]) -> Iterator[Match]:
    """Yields what `rest` matches in a folder and all below it, or all files without `rest`."""
    pending: list[tuple[str, frozenset[_Identity]]] = [(folder, frozenset())]
    while pending:
        folder, above = pending.pop()
        entries = _list(folder, ["**", *rest])
        if isinstance(entries, UnlistedFolder):
            yield entries
            continue
        if rest:
            yield from _match_local(folder, rest)
        inside: frozenset[_Identity] | None = None
        for entry in entries:
            if not _is_folder(entry):
                if not rest:
                    yield from _match_entry(entry)
                continue
            if inside is None:
                inside = above | {_identity(os.stat(folder))}
            if not (entry.is_symlink() and _identity(entry.stat()) in inside):
                pending.append((entry.path, inside))


def _list(folder: str, parts: list[str]) -> list["os.DirEntry[str]"] | UnlistedFolder:
    """Returns what is in a folder; nothing if there is none any more.

    Args:
      folder: its path.
      parts: of the pattern, that are to match in the folder.
    """
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if is_transient(error):
            raise
        return UnlistedFolder(folder, os.path.join(glob.escape(folder), *parts), error)
    return found


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # behind a link that cannot be followed
        return False


def _match_entry(entry: "os.DirEntry[str]") -> Iterator[Match]:
    """Yields a file in a folder that has been listed."""
    try:
        status = entry.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            if entry.is_symlink():
                yield SpecialFile(entry.path)
            return  # it has been removed
        yield MatchedFile(entry.path, 0)  # reading it will raise an error that says why
        return
    if stat.S_ISREG(status.st_mode):
        yield MatchedFile(entry.path, status.st_size)
    elif not stat.S_ISDIR(status.st_mode):
        yield SpecialFile(entry.path)


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino
