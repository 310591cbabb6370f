"""Names of the files of a result: its shards, and the hidden files beside them while it is written.

A result that is written to a symbolic link replaces the target of the link. The hidden files are
therefore beside the real file, which `target_of` returns, and named after it.
"""

import glob
import os
import re
import stat
import uuid
from collections.abc import Iterator

from apache_beam.io.filesystems import FileSystems
from apache_beam.utils.timestamp import Timestamp

from transforms.files import stores
from transforms.files.decompression import without_shard
from transforms.files.schemes import is_local

#: The maximum number of shards: names have five digits, and every shard is a file to open.
MAX_SHARDS = 10_000
_HIDDEN = re.compile(
    r"^\.(?P<name>.+)\.(?P<token>[0-9a-f]{12})\.([0-9a-f]{8}\.(tmp|old)|lock|manifest)$", re.DOTALL
)
#: The start and the end of a window, in seconds since the epoch.
Interval = tuple[float, float]
_SHARED_LOCK = ".publishing.lock"
_MOMENT = r"(\d{4}-\d\d-\d\d)T(\d\d):?(\d\d):?(\d\d(?:\.\d+)?)Z"  # on HDFS without colons
_PANE = "-pane"
_OF_WINDOW = re.compile(rf"{_MOMENT}_{_MOMENT}(?:{_PANE}\d+)?\.")
# The maximum length of a chain of links; systems do not follow longer chains either.
_MAX_LINKS = 40
# The mode of a folder like /tmp.
_SHARED = stat.S_ISVTX | stat.S_IWOTH


def new_token() -> str:
    """Returns a name for the hidden files of a run."""
    return uuid.uuid4().hex[:12]


def target_of(path: str) -> str:
    """Returns the file to which `path` leads, which may be a symbolic link."""
    return os.path.realpath(path) if is_local(path) else path


def place_of(path: str) -> str:
    """Returns `path` without symbolic links in its folder; it may be a link itself."""
    if not is_local(path):
        return path
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def links_of(path: str) -> Iterator[str]:
    """Yields the place of a local path, and if it is a link, that of its target, and so on.

    A place is a path without symbolic links in its folder, see `place_of`.
    """
    for _ in range(_MAX_LINKS):
        path = place_of(path)
        yield path
        if not os.path.islink(path):
            return
        path = os.path.join(os.path.dirname(path), os.readlink(path))


def why_not_followed(path: str) -> str | None:
    """Returns why a path must not be written through a symbolic link; None if it may, or is none.

    In a world-writable folder, such as ``/tmp``, links of other users are not followed, because
    they could lead to a file that the other user wants overwritten. A link to a shard of its own
    result is not followed either, because shards change with their number.
    """
    if not is_local(path):
        return None
    places = list(links_of(path))
    for place in places:
        if place != places[0] and without_shard(place) == places[0]:
            return "is a symbolic link to a shard of its own result"
        if os.path.islink(place):
            folder, owner = os.stat(os.path.dirname(place)), os.lstat(place).st_uid
            is_shared = folder.st_mode & _SHARED == _SHARED
            if is_shared and owner not in (os.geteuid(), folder.st_uid):
                return f"is a symbolic link of user {owner} in a folder that everybody may write"
    if os.path.islink(target_of(path)):
        return "is a symbolic link that leads to itself"
    return None


def window_name(start: Timestamp | None, end: Timestamp | None, pane: int | None = None) -> str:
    """Returns the name of the files of a window, without an extension.

    Args:
      start: the start of the window; None for the global window.
      end: the end of the window.
      pane: the number of the pane, if the window may have more than one.

    Example:
      >>> window_name(Timestamp(0), Timestamp(60.5), 2)
      '1970-01-01T00:00:00Z_1970-01-01T00:01:00.500000Z-pane2'
      >>> window_name(None, None)
      'global'
    """
    name = "global" if start is None or end is None else f"{_rfc3339(start)}_{_rfc3339(end)}"
    return name if pane is None else f"{name}{_PANE}{pane}"


def window_path(
    folder: str,
    extension: str,
    start: Timestamp | None,
    end: Timestamp | None,
    pane: int | None = None,
) -> str:
    """Returns the path of a file of a window in a folder; see `window_name`."""
    name = window_name(start, end, pane)
    if folder.startswith("hdfs://"):  # HDFS has no colons in names
        name = name.replace(":", "")
    return os.path.join(folder, f"{name}.{extension}")  # URLs have the same separator


def _rfc3339(time: Timestamp) -> str:
    text: str = time.to_rfc3339()
    return text


def panes_beside(path: str) -> dict[int, str]:
    """Returns the existing files of all panes of a window, by the numbers of the panes.

    Args:
      path: the path of the file of one pane, which need not exist; the others have its format.
    """
    window, _, rest = name_of(path).rpartition(_PANE)
    first, extension = f"{window}{_PANE}", rest.partition(".")[2]
    numbers = re.compile(rf"{re.escape(first)}(\d+)\.{re.escape(extension)}")
    named = ((numbers.fullmatch(name_of(file)), file) for file in listed(path, first, "."))
    return {int(match[1]): file for match, file in named if match is not None}


def window_of(name: str) -> Interval | None:
    """Returns the window of a file, by the name of the file; None if it has none.

    Example:
      >>> window_of("1970-01-01T00:00:00Z_1970-01-01T00:01:00.500000Z-pane2.jsonl")
      (0.0, 60.5)
      >>> window_of("global.jsonl")
    """
    found = _OF_WINDOW.match(name)
    if found is None:
        return None
    moments = found.groups()
    start, end = (
        Timestamp.from_rfc3339(f"{day}T{hour}:{minute}:{second}Z").micros / 1e6
        for day, hour, minute, second in (moments[:4], moments[4:])
    )
    return start, end


def files_of_windows(folder: str) -> dict[str, Interval]:
    """Returns the windows of the files in a folder, by the paths of the files.

    Args:
      folder: the folder, which may have other files too.
    """
    paths = listed(windows_anchor(folder), "", "Z_")
    named = ((path, window_of(name_of(path))) for path in paths)
    return {path: window for path, window in named if window is not None}


def shard_path(path: str, shard: int, num_shards: int) -> str:
    """Returns the path of one shard of an output."""
    return path if num_shards == 1 else f"{path}-{shard:05d}-of-{num_shards:05d}"


def all_shards(path: str) -> list[str]:
    """Returns the existing shards of `path`, in order, even if they belong to several results.

    Only regular files are shards.
    """
    found = listed(path, f"{name_of(path)}-", "-of-")
    shards = [shard for shard in found if without_shard(name_of(shard)) == name_of(path)]
    return sorted(shard for shard in shards if not is_local(shard) or os.path.isfile(shard))


def temporary_path(path: str, token: str) -> str:
    """Returns a new hidden path for the file `path` before it is published."""
    return _hidden(target_of(path), f"{token}.{uuid.uuid4().hex[:8]}.tmp")


def backup_path(path: str, token: str) -> str:
    """Returns a new hidden path beside `path` for a backup of the existing file."""
    return _hidden(path, f"{token}.{uuid.uuid4().hex[:8]}.old")


def lock_path(path: str, token: str) -> str:
    """Returns the path of the lock of the run that has this token and writes `path`."""
    return _hidden(target_of(path), f"{token}.lock")


def manifest_path(path: str, token: str) -> str:
    """Returns the path of the manifest of the run that has this token and writes `path`."""
    return _hidden(target_of(path), f"{token}.manifest")


def register_path(path: str) -> str:
    """Returns the path, on a store, of the lock that all runs that write `path` share."""
    folder, name = split(path)
    return str(FileSystems.join(folder, f".{name}{_SHARED_LOCK}"))


def is_temporary(path: str) -> bool:
    """Whether `path` is named like one of our hidden files, which are not read as text."""
    name = path.rpartition("/")[2]
    is_shared_lock = name.startswith(".") and name.endswith(_SHARED_LOCK)
    return is_shared_lock or _HIDDEN.match(name) is not None


def is_hidden_of(hidden: str, path: str, token: str, ending: str) -> bool:
    """Returns whether `hidden` may be the hidden file of a run for `path`, which is not a link.

    Args:
      hidden: the path to check.
      path: the path of the file for which it was written, or of which it is a backup.
      token: the token of the run.
      ending: ``.tmp`` or ``.old``.
    """
    match = _HIDDEN.match(name_of(hidden))
    if match is None or not hidden.endswith(ending):
        return False
    is_beside = split(hidden)[0] == split(path)[0]
    return is_beside and (match["name"], match["token"]) == (name_of(path), token)


def is_place_of(place: str, path: str) -> bool:
    """Returns whether `place` is a possible place of the output `path` or of a shard of it."""
    return without_shard(place) in (place_of(path), target_of(path))


def hidden_files(path: str) -> dict[str, list[str]]:
    """Returns the hidden files of `path` and of its shards, by the tokens of their runs.

    Locks are last, so that an interrupted removal can be repeated. Backups of earlier results
    (``.old``) are not included: only a manifest shows whether they are needed.
    """
    found: dict[str, dict[str, bool]] = {}
    for place in _places(path):
        for hidden in listed(place, f".{name_of(place)}", ""):
            match = _HIDDEN.match(hidden.rpartition("/")[2])
            is_of_path = match is not None and without_shard(match["name"]) == name_of(place)
            if match and is_of_path and not hidden.endswith(".old"):
                found.setdefault(match["token"], {})[hidden] = hidden.endswith(".lock")
    return {
        token: sorted(files, key=lambda file: (files[file], file)) for token, files in found.items()
    }


def windows_anchor(folder: str) -> str:
    """Returns the path that runs lock when they write windows into a folder; no window has it."""
    return window_path(folder, "windows", None, None)


def hidden_files_in(folder: str) -> dict[str, list[str]]:
    """Returns the temporary files in a folder of windows, by the tokens of their runs.

    A run that has left only its lock is included, with no files.
    """
    found: dict[str, list[str]] = {}
    for path in listed(windows_anchor(folder), ".", ""):
        match = _HIDDEN.match(name_of(path))
        if match is None:
            continue
        if path.endswith(".tmp"):
            found.setdefault(match["token"], []).append(path)
        elif match["name"] == name_of(windows_anchor(folder)) and path.endswith(".lock"):
            found.setdefault(match["token"], [])
    return {token: sorted(found[token]) for token in sorted(found)}


def _places(path: str) -> Iterator[str]:
    """Yields the paths beside which there may be hidden files of `path`, each once."""
    if not is_local(path):
        yield path
        return
    links = [shard for shard in all_shards(path) if os.path.islink(shard)]
    yield from dict.fromkeys([target_of(path), place_of(path), *map(target_of, links)])


def _hidden(path: str, ending: str) -> str:
    folder, name = split(path)
    hidden = f".{name}.{ending}"
    return str(FileSystems.join(folder, hidden)) if folder else hidden


def split(path: str) -> tuple[str, str]:
    """Returns the folder and the name of a file."""
    # Beam would make local paths absolute, so that files would have other names than those given.
    folder, name = os.path.split(path) if is_local(path) else FileSystems.split(path)
    return str(folder), str(name)


def name_of(path: str) -> str:
    """Returns the name of a file, without its folder."""
    return split(path)[1]


def listed(path: str, prefix: str, infix: str) -> list[str]:
    """Returns files beside `path` whose names begin with `prefix` and contain `infix`."""
    folder = split(path)[0]
    pattern = f"{glob.escape(prefix)}*{infix}*"
    if is_local(path):  # Beam would walk through all folders below
        return glob.glob(os.path.join(glob.escape(folder), pattern))
    return [file.path for file in stores.match([FileSystems.join(folder, pattern)])]
