"""Files that appear whole or not at all: written beside their place, then renamed into it.

The names of temporary files tell the run they belong to. On a local filesystem each run holds a
lock as long as it lives, so that the next one can tell what a killed run has left from what a
running one still needs; elsewhere, what is a day old is taken for left.
"""

import contextlib
import fcntl
import glob
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from transforms.errors import AnagramError

_TEMPORARY = re.compile(
    r"^\.(?P<name>.+)\.(?P<token>[0-9a-f]{12})\.([0-9a-f]{8}\.tmp|lock|told)$", re.DOTALL
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_DAY = 24 * 60 * 60


def new_token() -> str:
    """What the temporary files of one run have in their names."""
    return uuid.uuid4().hex[:12]


def shard_path(path: str, shard: int, num_shards: int) -> str:
    """The path of one shard of an output."""
    return path if num_shards == 1 else f"{path}-{shard:05d}-of-{num_shards:05d}"


def temporary_path(path: str, token: str) -> str:
    """A new place where `path` can be written before it is published: beside it, hidden."""
    return _hidden(path, f"{token}.{uuid.uuid4().hex[:8]}.tmp")


def manifest_path(path: str, token: str) -> str:
    """Where the workers of a run that writes `path` leave what they tell the one who waits."""
    return _hidden(path, f"{token}.told")


def is_temporary(path: str) -> bool:
    """Whether `path` looks like a temporary file of ours, and so is nobody's text."""
    return _TEMPORARY.match(path.rpartition("/")[2]) is not None


def replace(temporary: str, final: str) -> None:
    """Renames `temporary` to `final`, over what may stand there. May be repeated."""
    if not FileSystems.exists(temporary) and FileSystems.exists(final):
        return  # an earlier attempt has renamed it
    if _is_local(final):
        os.replace(temporary, final)
        return
    try:
        FileSystems.rename([temporary], [final])
    except BeamIOError:  # some filesystems do not rename onto a file
        FileSystems.delete([final])
        FileSystems.rename([temporary], [final])


@contextlib.contextmanager
def publish_lock(path: str) -> Iterator[None]:
    """While inside, no other run publishes beside `path`, as far as the filesystem has locks."""
    if not _is_local(path):
        yield
        return
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def output_lock(path: str, token: str) -> Iterator[None]:
    """For the time of a run that writes `path`: clears up behind killed runs, and behind it."""
    local = _is_local(path)
    with contextlib.ExitStack() as stack:
        try:
            if local:
                stack.enter_context(_created_folder(os.path.dirname(path)))
            # Before there is a lock: a signal may come as soon as it is there.
            stack.callback(_remove_own, path, token)
            if local:
                stack.enter_context(_locked(_hidden(path, f"{token}.lock")))
        except OSError as error:
            raise AnagramError(f"--output={path}: cannot be written ({error})") from error
        remove(left for left, theirs in _temporaries(path) if _is_abandoned(path, left, theirs))
        yield


def is_locked(path: str, token: str) -> bool:
    """Whether the run that has output_lock `path` still wants it; without locks it always does."""
    return not _is_local(path) or os.path.exists(_hidden(path, f"{token}.lock"))


def revoke(path: str, token: str) -> None:
    """Whoever still works for the run with this `token` is not to publish `path`."""
    if _is_local(path):
        remove([_hidden(path, f"{token}.lock")])


def all_shards(path: str) -> list[str]:
    """The shards that stand in the place of `path`, in order; of several numbers of shards all."""
    found = _listed(path, f"{_name(path)}-", "-of-")
    return sorted(shard for shard in found if _unsharded(_name(shard)) == _name(path))


def _hidden(path: str, ending: str) -> str:
    folder, name = _split(path)
    hidden = f".{name}.{ending}"
    return str(FileSystems.join(folder, hidden)) if folder else hidden


def _split(path: str) -> tuple[str, str]:
    # Beam makes local paths absolute, and those found by them other names than those given.
    folder, name = os.path.split(path) if _is_local(path) else FileSystems.split(path)
    return str(folder), str(name)


def _unsharded(name: str) -> str:
    return _SHARD.sub("", name)


def _name(path: str) -> str:
    return _split(path)[1]


def _is_local(path: str) -> bool:
    return FileSystems.get_scheme(path) is None


@contextlib.contextmanager
def _locked(lock: str) -> Iterator[None]:
    while True:
        with open(lock, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Before it was locked, another run may have taken it for left, and removed it.
            if os.path.exists(lock) and os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
                yield
                return


@contextlib.contextmanager
def _created_folder(folder: str) -> Iterator[None]:
    """Makes `folder`, with those above it; afterwards those made and still empty are removed."""
    above = folder = os.path.abspath(folder)
    missing = []
    while not os.path.exists(above):
        missing.append(above)
        above = os.path.dirname(above)
    try:
        os.makedirs(folder, exist_ok=True)
        yield
    finally:
        for made in missing:
            with contextlib.suppress(OSError):  # something stands in it
                os.rmdir(made)


def _remove_own(path: str, token: str) -> None:
    """Removes the temporary files that the run with this `token` has made for `path`."""
    remove(left for left, theirs in _temporaries(path) if theirs == token)


def _is_abandoned(path: str, left: str, token: str) -> bool:
    """Whether the run with this `token`, to which the file `left` belongs, is no more."""
    if not _is_local(path):
        age: float = time.time() - FileSystems.last_updated(left)
        return age > _DAY
    try:
        with open(_hidden(path, f"{token}.lock"), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _temporaries(path: str) -> list[tuple[str, str]]:
    """The temporary files of `path` and of its shards, with the tokens of their runs."""
    found = []
    for left in _listed(path, f".{_name(path)}", ""):
        match = _TEMPORARY.match(left.rpartition("/")[2])
        if match and _unsharded(match["name"]) == _name(path):
            # Locks last, so that what is interrupted here is taken up again.
            found.append((left.endswith(".lock"), left, match["token"]))
    return [(left, token) for _, left, token in sorted(found)]


def _listed(path: str, prefix: str, infix: str) -> list[str]:
    """Files beside `path` whose names begin with `prefix` and have `infix` in them."""
    folder = _split(path)[0]
    pattern = f"{glob.escape(prefix)}*{infix}*"
    if _is_local(path):  # Beam would walk through all folders below
        return glob.glob(os.path.join(glob.escape(folder), pattern))
    matches = FileSystems.match([FileSystems.join(folder, pattern)])
    return [file.path for match in matches for file in match.metadata_list]


def remove(paths: Iterable[str]) -> None:
    """Deletes files, as far as possible."""
    for path in paths:
        # Another run may clear up too; what cannot be removed now is removed by a later one.
        with contextlib.suppress(OSError, BeamIOError):
            os.remove(path) if _is_local(path) else FileSystems.delete([path])
