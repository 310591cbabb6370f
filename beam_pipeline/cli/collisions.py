"""Checks that a run writes no file that it reads, nor two results into one file, nor reads a pipe
twice.

Paths are compared by the files that they lead to, through symbolic and hard links, however they are
spelled. URLs are compared as strings. A result claims its path and all possible names of its
shards, because it replaces all of them.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from apache_beam.io.filesystem import FileSystem
from apache_beam.io.filesystems import FileSystems

from beam_pipeline.errors import UsageError
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.io.naming import all_shards, is_place_of, place_of, shard_path, target_of
from beam_pipeline.io.pipes import is_regular
from beam_pipeline.options import AnagramOptions, given_paths, is_streaming
from transforms.dictionary import NO_DICTIONARY, WORD_LISTS
from transforms.files.decompression import without_shard
from transforms.files.schemes import is_local

_WILDCARD = re.compile(r"[*?[]")
# A file of a stream's output is named like this one.
_WINDOW = "2026-11-25T10:00:00Z_2026-11-25T10:01:00Z"
# Descriptors of the standard streams.
_STDIN, _STDOUT = 0, 1
# The identity of a file, whatever its path: device and inode.
_Identity = tuple[int, int]


class _Path(NamedTuple):
    """A path that an option gives.

    Attributes:
      setting: the name of the option.
      value: what the option was set to.
      path: the path in it.
    """

    setting: str
    value: str
    path: str

    def __str__(self) -> str:
        return f"--{self.setting}={self.value}"


def check_collisions(options: AnagramOptions) -> None:
    """Checks that no file is written twice, nor read and written, and no pipe read twice.

    Only the result of ``merge`` may also be the output.

    Raises:
      UsageError: two options collide; the message names both.
    """
    outputs = [
        path
        for name in ("output", "dead_letters", "report")
        for path in _given(options, name)
        if path.path != "-"
    ]
    inputs = [path for name in ("replay", "merge", "dictionary") for path in _given(options, name)]
    patterns = _given(options, "input")
    _check_read_once([*patterns, *inputs])
    _check_standard_output(options, [*outputs, *inputs, *patterns])
    for index, output in enumerate(outputs):
        for other in [*outputs[:index], *inputs]:
            is_update = (output.setting, other.setting) == ("output", "merge")
            if is_update and is_same_file(output.path, other.path):
                continue
            if _is_claimed(output.path, other) or _is_claimed(other.path, output):
                raise _clash(output, other)
        for other in outputs[:index]:
            _check_nesting(output, other)
            _check_nesting(other, output)
    for pattern in patterns:
        _check_not_read(outputs, pattern, options)


def _given(options: AnagramOptions, name: str) -> list[_Path]:
    values = given_paths(options, name)
    return [_Path(name, value, path) for value in values for path in _paths_in(name, value)]


def _paths_in(name: str, value: str) -> list[str]:
    if name != "dictionary" or os.path.exists(value):
        return [value]
    return [part for part in value.split("+") if part not in (*WORD_LISTS, NO_DICTIONARY)]


def _clash(output: _Path, other: _Path) -> UsageError:
    is_one = is_same_file(output.path, other.path)
    what = f"is also {other}" if is_one else f"is the place of shards of {other}"
    if not is_one and not _is_claimed(output.path, other):
        output, other = other, output
        what = f"is the place of shards of {other}"
    return UsageError(what, setting=output.setting, value=output.value)


def is_same_file(one: str, other: str) -> bool:
    """Returns whether two paths or URLs lead to the same file, which need not exist."""
    if not (is_local(one) and is_local(other)):
        return _normalized(one) == _normalized(other)
    if target_of(one) == target_of(other):
        return True
    identity = _identity(one)
    return identity is not None and identity == _identity(other)


def _is_claimed(path: str, by: _Path) -> bool:
    """Returns whether a path is claimed by an option: its path, or a possible shard of it."""
    if is_same_file(path, by.path):
        return True
    if by.setting not in ("output", "merge") or is_local(path) != is_local(by.path):
        return False
    if not is_local(path):
        return without_shard(_normalized(path)) == _normalized(by.path)
    return (
        is_place_of(place_of(path), by.path)
        or is_place_of(target_of(path), by.path)
        or any(is_same_file(path, shard) for shard in all_shards(by.path))
    )


def _check_nesting(output: _Path, other: _Path) -> None:
    """Checks that no output is inside another one."""
    if is_local(output.path) and target_of(output.path).startswith(f"{target_of(other.path)}/"):
        raise UsageError(f"is inside {other}", setting=output.setting, value=output.value)


def _check_not_read(outputs: list[_Path], pattern: _Path, options: AnagramOptions) -> None:
    """Checks that an input pattern does not match any output."""
    identity = _identity(_STDIN) if pattern.path == STDIN else None
    matches: Callable[[str], bool] | None = None
    for output in outputs:
        if identity is not None and identity == _identity(output.path):
            message = "is also what standard input is read from"
            raise UsageError(message, setting=output.setting, value=output.value)
        if pattern.path == STDIN or is_local(output.path) != is_local(pattern.path):
            continue
        if _is_claimed(pattern.path, output):
            raise _clash(output, pattern)
        if matches is None:
            matches = (_local_matcher if is_local(pattern.path) else _remote_matcher)(pattern.path)
        if any(map(matches, _changed_by(output, options))):
            message = f"{pattern} would read it the next time; write it elsewhere"
            raise UsageError(message, setting=output.setting, value=output.value)


def _changed_by(output: _Path, options: AnagramOptions) -> set[str]:
    """Returns the files that an output writes or, as parts of an earlier result, removes."""
    if output.setting != "output":
        return {output.path}
    if is_streaming(options):  # a folder of windows
        return {output.path, f"{output.path}/{_WINDOW}.{options.output_format or 'jsonl'}"}
    num_shards = options.num_shards
    changed = {shard_path(output.path, shard, num_shards) for shard in range(num_shards)}
    if is_local(output.path):
        changed.update(all_shards(output.path))
        if os.path.exists(output.path):
            changed.add(output.path)
    return changed


def _remote_matcher(pattern: str) -> Callable[[str], bool]:
    pattern = _normalized(pattern)
    matches = _compiled(pattern + "**" if pattern.endswith("/") else pattern)
    return lambda url: matches(_normalized(url))


def _local_matcher(pattern: str) -> Callable[[str], bool]:
    """Returns a function that returns whether a pattern matches, or would match, a local file."""
    # An existing path is taken literally, even if it looks like a pattern.
    folder, parts = "/", [part for part in os.path.abspath(pattern).split("/") if part]
    while parts and (
        not _WILDCARD.search(parts[0]) or os.path.lexists(os.path.join(folder, parts[0]))
    ):
        folder, parts = os.path.join(folder, parts[0]), parts[1:]
    if pattern.endswith("/") and parts:
        parts.append("**")
    folder = os.path.realpath(folder).rstrip("/")
    matches = _compiled("/" + "/".join(parts or ["**"]))
    links = list(_links_below(folder, recursive=len(parts) != 1 or "**" in parts[0]))

    def is_matched(path: str) -> bool:
        return any(
            name.startswith(f"{folder}/") and matches(name.removeprefix(folder))
            for real in (target_of(path), place_of(path))
            for name in (real, *_names_behind(links, real))
        )

    return is_matched


def _compiled(pattern: str) -> Callable[[str], bool]:
    # Beam's own translation, except that `/**/` also matches no folder, as it does for inputs.
    translated = re.compile(FileSystem.translate_pattern(pattern).replace("/.*/", "/(.*/)?"))
    return lambda name: translated.match(name) is not None


def _links_below(folder: str, *, recursive: bool) -> Iterator[tuple[str, str]]:
    """Yields path and real path of each symbolic link in a folder, and in those below it."""
    pending, seen = [folder or "/"], set[_Identity]()
    while pending:
        current = pending.pop()
        try:
            found = os.stat(current)
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        yield entry.path, os.path.realpath(entry.path)
                    if recursive and entry.is_dir():
                        pending.append(entry.path)
        except OSError:  # reading the folder will raise an error
            continue


def _names_behind(links: list[tuple[str, str]], path: str) -> Iterator[str]:
    """Yields the names that a real path has through links."""
    for link, real in links:
        if path == real or path.startswith(f"{real}/"):
            yield link + path.removeprefix(real)


def _check_read_once(sources: list[_Path]) -> None:
    """Checks that standard input, a FIFO or a device is read for one option only."""
    seen: dict[_Identity, _Path] = {}
    for source in sources:
        identity = _identity_of_stream(source)
        if identity is None:
            continue
        if (other := seen.setdefault(identity, source)) is not source:
            message = f"is also {other}, and can be read only once; write it to a file first"
            raise UsageError(message, setting=source.setting, value=source.value)


def _identity_of_stream(source: _Path) -> _Identity | None:
    """Returns the identity of a source that can be read only once; None for others."""
    is_stdin = source.setting == "input" and source.path == STDIN
    try:
        if not is_stdin and is_regular(source.path):
            return None
        found = os.stat(_STDIN if is_stdin else source.path)
        identity = (found.st_dev, found.st_ino)
        # It is empty each time it is read.
        return None if os.path.samestat(found, os.stat(os.devnull)) else identity
    except (OSError, ValueError):  # reading it will raise an error
        return None


def _check_standard_output(options: AnagramOptions, others: list[_Path]) -> None:
    """Checks that standard output is not a file of an option, as in ``--input t.txt > t.txt``."""
    if options.output not in (None, "-") or options.test_case:
        return
    identity = _identity(_STDOUT)
    for other in others:
        if identity is not None and _identity(other.path) == identity:
            message = "is also where standard output goes"
            raise UsageError(message, setting=other.setting, value=other.value)


def _identity(file: str | int) -> _Identity | None:
    """Returns the identity of a regular file, by its path or descriptor; None for others."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):  # it does not exist, is closed, or is not a valid path
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _normalized(url: str) -> str:
    scheme = FileSystems.get_scheme(url)
    return url if scheme is None else scheme.lower() + url.strip().removeprefix(scheme)
