"""Publishing: how files appear whole or not at all, whoever is killed on the way.

A run that writes PATH has a token, a random name, and goes through these states. Each is visible in
hidden files beside PATH:

1. *locked*: ``.PATH.TOKEN.lock``, held by the client as long as it lives. The run is wanted.
2. *written*: ``.PATH.TOKEN.XXXXXXXX.tmp``, a file for each file of the result. Workers write them.
3. *committed*: ``.PATH.TOKEN.manifest`` lists the temporary files and their final names, and the
   run's totals. From here on the new result must be published.
4. *published*: every temporary file has been renamed to its final name.
5. *clean*: the client has read the manifest, and removes it together with the lock.

A worker makes the steps to 3 and 4 in `publish`. It holds the lock of the folder meanwhile, so
that two runs to one PATH publish one after the other, and never mix.

Who finishes for whom:

- A worker that dies before 3 leaves the old result; the client removes the temporary files.
- A worker that dies between 3 and 4 has committed: the client finishes the renames (`finish`).
- A client that is interrupted before 3 revokes the run: it removes the lock, and a worker that
  still comes to publish finds none and refuses.
- A client that is killed leaves a lock that nobody holds. The next run to PATH removes all that
  belongs to it; this is the only moment at which a result of several shards can be left with old
  and new ones, if the workers were killed too.

Without a client that waits (a pipeline of somebody's own) there is no lock and no manifest: the
temporary files are renamed when all are written.

Locks need a local filesystem. Elsewhere, temporary files are abandoned when they are a day old.
"""

import contextlib
import fcntl
import glob
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from beam_pipeline import interruption
from beam_pipeline.errors import DeadLettersError, OutputError
from transforms.stages.retry import Retrier, RetriesExhaustedError
from transforms.stages.totals import Totals

_TEMPORARY = re.compile(
    r"^\.(?P<name>.+)\.(?P<token>[0-9a-f]{12})\.([0-9a-f]{8}\.tmp|lock|manifest)$", re.DOTALL
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
# On filesystems without locks, temporary files older than this are nobody's, in seconds.
_ABANDONED_AGE = 24 * 60 * 60


def new_token() -> str:
    """Returns a name for the temporary files of a run."""
    return uuid.uuid4().hex[:12]


def shard_path(path: str, shard: int, num_shards: int) -> str:
    """Returns the path of one shard of an output."""
    return path if num_shards == 1 else f"{path}-{shard:05d}-of-{num_shards:05d}"


def temporary_path(path: str, token: str) -> str:
    """Returns a new hidden path beside `path`, where it can be written before it is published."""
    return _hidden(path, f"{token}.{uuid.uuid4().hex[:8]}.tmp")


def is_temporary(path: str) -> bool:
    """Whether `path` is named like one of our temporary files, and so is not text to be read."""
    return _TEMPORARY.match(path.rpartition("/")[2]) is not None


class Manifest(NamedTuple):
    """What a run has committed to.

    Attributes:
      files: temporary and final path of each file.
      totals: of the whole run.
    """

    files: tuple[tuple[str, str], ...]
    totals: Totals

    def write(self, path: str, token: str) -> None:
        """Writes the manifest of the run that writes `path`. May be repeated."""
        temporary = temporary_path(path, token)
        fields = {"files": self.files, "totals": self.totals.to_json()}
        with FileSystems.create(temporary) as file:
            file.write(json.dumps(fields).encode())
        replace(temporary, _manifest_path(path, token))

    @classmethod
    def read(cls, path: str, token: str) -> "Manifest | None":
        """Returns the manifest of the run that writes `path`; None if it has not committed."""
        manifest_path = _manifest_path(path, token)
        if not FileSystems.exists(manifest_path):
            return None
        with FileSystems.open(manifest_path) as file:
            fields = json.loads(file.read())
        files = tuple((str(temporary), str(final)) for temporary, final in fields["files"])
        return cls(files, Totals.from_json(fields["totals"]))


def publish(
    path: str,
    files: Sequence[tuple[str, str]],
    retrier: Retrier,
    *,
    num_shards: int = 1,
    client: tuple[str, Totals] | None = None,
) -> None:
    """Renames the files that a run has written, in order, and removes shards of earlier results.

    Args:
      path: of the output.
      files: temporary and final path of each file.
      retrier: of the stage that publishes.
      num_shards: of the output.
      client: the token of a run whose client waits for a manifest, and the run's totals.

    Raises:
      OutputError: a file of the output cannot be renamed, or the client does not want it any more.
      DeadLettersError: the file of dead letters cannot be renamed.
    """
    with folder_lock(path):
        if client is not None:
            token, totals = client
            if not is_locked(path, token):
                raise OutputError(
                    f"{path}: not published: the run that asked for it has been stopped, or waits "
                    "on another machine"
                )
            Manifest(tuple(files), totals).write(path, token)
        for temporary, final in files:
            try:
                retrier(replace, temporary, final)
            except RetriesExhaustedError as error:
                is_output = _unsharded(final) == path
                error_type = OutputError if is_output else DeadLettersError
                raise error_type(f"{final}: cannot be written: {error}") from error
        if num_shards > 1:
            # Compared by name: a folder can be spelled in more than one way.
            written = {_name(final) for _, final in files}
            remove(shard for shard in all_shards(path) if _name(shard) not in written)


def finish(path: str, token: str) -> Manifest | None:
    """Ends a run that stopped early: publishes what it has committed to, or revokes it.

    Returns:
      The manifest of a run whose result is now published; None for a run that had not committed.
    """
    with folder_lock(path):
        manifest = Manifest.read(path, token)
        if manifest is None:
            revoke(path, token)  # its job may still be working
            return None
        for temporary, final in manifest.files:
            replace(temporary, final)
        return manifest


def replace(temporary: str, final: str) -> None:
    """Renames `temporary` to `final`, replacing what is there. May be repeated."""
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


def write_whole(path: str, data: bytes) -> None:
    """Writes one small file, which appears whole or not at all.

    Raises:
      OutputError: it cannot be written.
    """
    token = new_token()
    temporary = temporary_path(path, token)
    try:
        with interruption.scope() as stack:
            stack.enter_context(output_lock(path, token))
            with FileSystems.create(temporary, "text/plain") as file:
                file.write(data)
            replace(temporary, path)
    except OutputError:
        raise
    except Exception as error:  # each filesystem raises its own
        raise OutputError(f"{path}: cannot be written ({error})") from error


@contextlib.contextmanager
def output_lock(path: str, token: str) -> Iterator[None]:
    """Locks `path` for a run, and removes what killed runs have left, and at the end its own.

    Several runs may hold locks of their own for one path; the last to publish wins.

    Raises:
      OutputError: the folder of `path` cannot be created or written.
    """
    local = _is_local(path)
    with contextlib.ExitStack() as stack:
        try:
            if local:
                stack.enter_context(_created_folder(os.path.dirname(path)))
            # Before there is a lock: a signal may come as soon as it is there.
            stack.callback(_remove_own, path, token)
            if local:
                stack.enter_context(_file_lock(_lock_path(path, token)))
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error})") from error
        remove(left for left, owner in _temporaries(path) if _is_abandoned(path, left, owner))
        yield


def is_locked(path: str, token: str) -> bool:
    """Whether the run that has locked `path` still wants it; without locks it always does."""
    return not _is_local(path) or os.path.exists(_lock_path(path, token))


def revoke(path: str, token: str) -> None:
    """Keeps whoever still works for the run with this `token` from publishing `path`."""
    if _is_local(path):
        remove([_lock_path(path, token)])


def all_shards(path: str) -> list[str]:
    """Returns the shards in the place of `path`, in order, also those of several results."""
    found = _listed(path, f"{_name(path)}-", "-of-")
    return sorted(shard for shard in found if _unsharded(_name(shard)) == _name(path))


def remove(paths: Iterable[str]) -> None:
    """Deletes files, as far as possible."""
    for path in paths:
        # Another run may clean up too; what cannot be removed now is removed by a later one.
        with contextlib.suppress(OSError, BeamIOError):
            os.remove(path) if _is_local(path) else FileSystems.delete([path])


def _manifest_path(path: str, token: str) -> str:
    return _hidden(path, f"{token}.manifest")


def _lock_path(path: str, token: str) -> str:
    return _hidden(path, f"{token}.lock")


def _hidden(path: str, ending: str) -> str:
    folder, name = _split(path)
    hidden = f".{name}.{ending}"
    return str(FileSystems.join(folder, hidden)) if folder else hidden


def _split(path: str) -> tuple[str, str]:
    # Beam makes local paths absolute, and those found by them other names than those given.
    folder, name = os.path.split(path) if _is_local(path) else FileSystems.split(path)
    return str(folder), str(name)


def _name(path: str) -> str:
    return _split(path)[1]


def _unsharded(name: str) -> str:
    return _SHARD.sub("", name)


def _is_local(path: str) -> bool:
    return FileSystems.get_scheme(path) is None


@contextlib.contextmanager
def folder_lock(path: str) -> Iterator[None]:
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
def _file_lock(lock: str) -> Iterator[None]:
    while True:
        with open(lock, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Before it was locked, another run may have removed it as abandoned.
            if os.path.exists(lock) and os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
                yield
                return


@contextlib.contextmanager
def _created_folder(folder: str) -> Iterator[None]:
    """Creates `folder` and those above it, and at the end removes those that are still empty."""
    above = folder = os.path.abspath(folder)
    missing = []
    while not os.path.exists(above):
        missing.append(above)
        above = os.path.dirname(above)
    try:
        os.makedirs(folder, exist_ok=True)
        yield
    finally:
        for created in missing:
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(created)


def _remove_own(path: str, token: str) -> None:
    """Removes the temporary files that the run with this `token` has made for `path`."""
    remove(left for left, owner in _temporaries(path) if owner == token)


def _is_abandoned(path: str, left: str, token: str) -> bool:
    """Whether the run with this `token`, to which the file `left` belongs, has ended."""
    if not _is_local(path):
        age: float = time.time() - FileSystems.last_updated(left)
        return age > _ABANDONED_AGE
    try:
        with open(_lock_path(path, token), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _temporaries(path: str) -> list[tuple[str, str]]:
    """Returns the temporary files of `path` and of its shards, with the tokens of their runs."""
    found = []
    for left in _listed(path, f".{_name(path)}", ""):
        match = _TEMPORARY.match(left.rpartition("/")[2])
        if match and _unsharded(match["name"]) == _name(path):
            # Locks last, so that a removal that is interrupted is taken up again.
            found.append((left.endswith(".lock"), left, match["token"]))
    return [(left, token) for _, left, token in sorted(found)]


def _listed(path: str, prefix: str, infix: str) -> list[str]:
    """Returns files beside `path` whose names begin with `prefix` and contain `infix`."""
    folder = _split(path)[0]
    pattern = f"{glob.escape(prefix)}*{infix}*"
    if _is_local(path):  # Beam would walk through all folders below
        return glob.glob(os.path.join(glob.escape(folder), pattern))
    matches = FileSystems.match([FileSystems.join(folder, pattern)])
    return [file.path for match in matches for file in match.metadata_list]
