"""Publishing: how a result appears whole or not at all, whoever is killed on the way.

A run that writes PATH has a token, a random name, and goes through these states. Each is visible in
hidden files beside PATH, or beside the file that PATH leads to if it is a symbolic link:

1. *locked*: ``.PATH.TOKEN.lock``, held by the client as long as it lives. The run is wanted.
2. *written*: ``.PATH.TOKEN.XXXXXXXX.tmp``, a file for each file of the result. Workers write them.
3. *committed*: ``.PATH.TOKEN.manifest`` lists the temporary files and their final names, the files
   of the old result that must go, and the run's totals. From here on the new result must be
   published.
4. *set aside*: what is in the way, such as old shards of the same names, and dead letters, has been
   renamed to ``.PATH.TOKEN.XXXXXXXX.old``. One file that replaces one file skips this state.
5. *published*: every temporary file has been renamed to its final name, a result of one file last.
6. *replaced*: files of an old result with another number of shards are set aside too, and then all
   that was set aside is removed. `beam_pipeline.io.exchange` makes the steps from 3 to here, and
   undoes them if one of them cannot be made.
7. *clean*: the client has read the manifest, and removes it together with the lock.

A worker makes the steps from 2 to 6 in `publish`. It holds the lock of the folder meanwhile, so
that two runs to one PATH publish one after the other, and never mix.

Who finishes for whom:

- A worker that dies before 3 leaves the old result; the client removes the temporary files.
- A worker that dies between 3 and 6 has committed: the client finishes its work (`finish`).
- A client that is interrupted before 3 revokes the run: it removes the lock, and a worker that
  still comes to publish finds none and refuses.
- A client that is killed leaves a lock that nobody holds. Whoever writes to PATH or adds to it
  (``--merge``) next calls `recover`: what was committed is published, and what was not is removed.
  If the workers were killed too, some shards are missing until then, but old and new ones are never
  mixed, and a result of one file is always there.

Without a client that waits (a pipeline of somebody's own) there is no lock, and a manifest only
while the files are exchanged.

On stores, a lease takes the place of the folder's lock, see `beam_pipeline.io.leases`: a run whose
worker is killed while it publishes keeps others waiting for half a minute. Whoever takes over ends
the exchange of that run before its own. Runs have no locks there. What they leave is abandoned when
it is a day old.
"""

import contextlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from beam_pipeline import interruption
from beam_pipeline.errors import DeadLettersError, OutputError
from beam_pipeline.io.exchange import (
    Exchange,
    ExchangeError,
    NewFile,
    OldFile,
    WrittenFile,
    create,
    identity_of,
    remove,
    rename,
)
from beam_pipeline.io.leases import LockLostError, lease
from beam_pipeline.io.locks import folder_lock, if_abandoned, run_lock
from beam_pipeline.io.naming import (
    all_shards,
    hidden_files,
    hidden_files_in,
    lock_path,
    manifest_path,
    new_token,
    place_of,
    register_path,
    target_of,
    temporary_path,
    why_not_followed,
    windows_anchor,
)
from transforms.errors import AnagramError
from transforms.files import stores
from transforms.files.decompression import without_shard
from transforms.files.registers import register_at
from transforms.files.schemes import is_local
from transforms.stages import traffic
from transforms.stages.faults import is_missing, root_causes
from transforms.stages.retry import Retrier, describe
from transforms.stages.totals import Count, Totals

# On filesystems without locks, hidden files older than this are nobody's, in seconds.
_ABANDONED_AGE = 24 * 60 * 60
# How often to publish anew when the lock has been lost.
_ATTEMPTS = 3
# No manifest is larger, in bytes: 10,000 shards with the longest possible paths have less.
_MAX_MANIFEST_SIZE = 256 << 20


class Manifest(NamedTuple):
    """What a run has committed to.

    Attributes:
      exchange: the files to be published, and those to be replaced.
      totals: of the whole run.
      is_done: whether the exchange is over. Other results may stand there now.
    """

    exchange: Exchange
    totals: Totals
    is_done: bool = False

    def write(self, path: str, token: str) -> None:
        """Writes the manifest of the run that writes `path`. May be repeated.

        Raises:
          OutputError: it cannot be written.
        """
        final, temporary = manifest_path(path, token), temporary_path(path, token)
        fields = {
            "new": self.exchange.new,
            "old": self.exchange.old,
            "totals": self.totals.to_json(),
            "is_done": self.is_done,
        }
        data = json.dumps(fields).encode()
        try:
            if stores.is_whole(path):
                stores.write_file(final, data)
            else:
                _write(temporary, temporary, data)
                rename(temporary, final)
        except Exception as error:  # each filesystem raises its own
            remove([temporary])
            raise OutputError(f"{path}: cannot be written ({describe(error)})") from error

    def has(self, files: Sequence[WrittenFile]) -> bool:
        """Returns whether these files were to be published, and no others."""
        new = {file.temporary for file in self.exchange.new}
        return new == {file.temporary for file in files}

    @classmethod
    def read(cls, path: str, token: str, *, only_own: bool = False) -> "Manifest | None":
        """Returns the manifest of the run that writes `path`; None if it has not committed.

        Others may write the folder too. A manifest therefore moves nothing but files that have the
        names of this run's.

        Args:
          path: of the output.
          token: of the run.
          only_own: takes no notice of a local manifest that another user has written.

        Raises:
          OutputError: it cannot be read, or is none.
        """
        file = manifest_path(path, token)
        try:
            data = _read_local(file, only_own=only_own) if is_local(path) else _read_remote(file)
            if data is None:
                return None
            manifest = cls._from_json(data)
            if not manifest.exchange.is_of(path, token):
                raise ValueError("it lists files of others")
        except Exception as error:  # the file may hold anything
            raise OutputError(f"{path}: {file} is not a manifest ({describe(error)})") from error
        return manifest

    @classmethod
    def _from_json(cls, data: bytes) -> "Manifest":
        fields = json.loads(data)
        new = tuple(NewFile(*_strings(file, 3)) for file in fields["new"])
        old = tuple(OldFile(*_strings(file, 2)) for file in fields["old"])
        is_done = fields.get("is_done") is True
        return cls(Exchange(new, old), Totals.from_json(fields["totals"]), is_done)


def _strings(values: Any, number: int) -> list[str]:
    if len(values) != number or not all(isinstance(value, str) for value in values):
        raise TypeError(f"not {number} strings")
    return list(values)


def _read_local(file: str, *, only_own: bool) -> bytes | None:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if only_own and found.st_uid != os.geteuid():
            raise PermissionError(f"user {found.st_uid} has written it")
        return _limited(opened.read(_MAX_MANIFEST_SIZE + 1))


def _read_remote(file: str) -> bytes | None:
    if not stores.exists(file):
        return None
    return _limited(stores.read_file(file, _MAX_MANIFEST_SIZE + 1))


def _limited(data: bytes) -> bytes:
    if len(data) > _MAX_MANIFEST_SIZE:
        raise ValueError("too large")
    return data


def publish(
    path: str,
    files: Sequence[WrittenFile],
    retrier: Retrier,
    *,
    token: str,
    num_shards: int = 1,
    totals: Totals | None = None,
) -> None:
    """Publishes the files that a run has written, in order, in the place of an earlier result.

    May be repeated.

    Args:
      path: of the output.
      files: what has been written; the file or the shards of the output are last.
      retrier: of the stage that publishes.
      token: of the run.
      num_shards: of the output.
      totals: of the run, for its client, which waits for the manifest; None if there is no client.

    Raises:
      OutputError: a file of the output cannot be replaced, or the client does not want it any more.
      DeadLettersError: the file of dead letters cannot be replaced.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _publish(path, files, retrier, token, num_shards, totals)
            return
        except LockLostError:  # others have ended what was begun, or it has not been
            if attempt == _ATTEMPTS - 1:
                raise
        except AnagramError:
            raise
        except Exception as error:  # each filesystem raises its own
            raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error


def _publish(
    path: str,
    files: Sequence[WrittenFile],
    retrier: Retrier,
    token: str,
    num_shards: int,
    totals: Totals | None,
) -> None:
    """Does what `publish` does, while it holds the lock."""
    with _exclusively(path, token) as check:
        if totals is not None and not is_locked(path, token):
            raise OutputError(
                f"{path}: not published: the run that asked for it has been stopped, or waits "
                "on another machine"
            )
        try:
            committed = Manifest.read(path, token, only_own=True)
            # Else an earlier attempt has stopped on the way, or this is a template's next run.
            if committed is None or (committed.is_done and not committed.has(files)):
                stale = _stale(path, num_shards, files)
                exchange = Exchange.plan(files, stale, token, is_last_alone=num_shards == 1)
                committed = Manifest(exchange, totals or Totals())
                committed.write(path, token)
                _check_plan(path, token, check)
            if not committed.is_done:
                committed.exchange.carry_out(retrier, check)
        except ExchangeError as error:
            remove([manifest_path(path, token)])
            raise _error_of(error, path, files) from error
        if totals is None:
            remove([manifest_path(path, token)])
            return
        retries, faults = retrier.drain_counts()  # also those of publishing
        committed.totals.add(Count.RETRIES, retries)
        committed.totals.add(Count.FAULTS_INJECTED, faults)
        traffic.drain_into(committed.totals)
        committed._replace(is_done=True).write(path, token)


def _check_plan(path: str, token: str, check: Callable[[], None]) -> None:
    """Removes a manifest that has been written too late: others may have published meanwhile.

    Raises:
      LockLostError: the lock was not held any more.
    """
    try:
        check()
    except LockLostError:
        remove([manifest_path(path, token)])
        raise


@contextlib.contextmanager
def _exclusively(path: str, token: str) -> Iterator[Callable[[], None]]:
    """While inside, no other run publishes to `path`; on a store, of a kind that is known.

    Args:
      path: of an output, in whose folder hidden files can be written.
      token: of the run whose files are exchanged.

    Yields:
      A function that raises a `LockLostError` if that is no longer so.
    """
    if is_local(path):
        with folder_lock(path):
            yield _hold
        return
    register = register_at(register_path(path))
    if register is None:
        yield _hold
        return
    with lease(path, register, token) as held:
        if held.run != token:  # which was killed
            _end(path, held.run, held.check)
            held.hand_to(token)
        yield held.check


def _hold() -> None:
    """Stands for the check of a lock that cannot be lost."""


def _stale(path: str, num_shards: int, files: Sequence[WrittenFile]) -> list[str]:
    """Returns the files of an earlier result of another number of shards.

    If `path` is a symbolic link, that is what it leads to. The link stays, as what it leads to is
    the place of the run's hidden files.

    Raises:
      ExchangeError: `path` is a link that is not followed.
    """
    # A folder can be spelled in more than one way.
    written = {place_of(file.final) for file in files}
    stale = [place for place in map(place_of, all_shards(path)) if place not in written]
    if num_shards > 1:
        target = target_of(path)
        if (fault := why_not_followed(path)) is not None:
            raise ExchangeError(target, ValueError(fault))
        if os.path.isfile(target) if is_local(path) else stores.exists(path):
            stale.append(target)
    return stale


def _error_of(error: ExchangeError, path: str, files: Sequence[WrittenFile]) -> Exception:
    finals = {target_of(final): final for final in (path, *(file.final for file in files))}
    final = finals.get(error.target, error.target)
    is_output = final not in finals.values() or without_shard(final) == path
    kept = f"; what stood there is in {', '.join(error.backups)}" if error.backups else ""
    message = f"{final}: cannot be written: {next(root_causes(error.cause))}{kept}"
    return OutputError(message) if is_output else DeadLettersError(message)


def finish(path: str, token: str) -> Manifest | None:
    """Ends a run that stopped early: publishes what it has committed to, or revokes it.

    Returns:
      The manifest of a run whose result is now published; None for a run that had not committed.

    Raises:
      OutputError: it cannot be published; what stood there before stands there.
    """
    with _exclusively(path, token) as check:
        manifest = Manifest.read(path, token, only_own=True)
        if manifest is None:
            revoke(path, token)  # its job may still be working
            return None
        try:
            if not manifest.is_done:
                manifest.exchange.carry_out(check=check)
        except ExchangeError as error:
            raise _error_of(error, path, ()) from error
        return manifest


def recover(path: str, *, is_only_read: bool = False) -> None:
    """Ends what killed runs to `path` have begun: publishes what they had committed to.

    What they had not is removed, as are their other hidden files.

    Args:
      path: of an output.
      is_only_read: leaves alone what no run of this user has committed to.

    Raises:
      OSError, OutputError: the folder of `path` cannot be read or locked.
    """
    for token, files in hidden_files(path).items():
        with _if_abandoned(path, token, files) as is_abandoned:
            if is_abandoned and (_resume(path, token) or not is_only_read):
                remove(files)


def _resume(path: str, token: str) -> bool:
    """Ends the exchange of a killed run, and returns whether it had committed to one."""
    with _exclusively(path, token) as check:
        return _end(path, token, check)


def _end(path: str, token: str, check: Callable[[], None]) -> bool:
    """Does what `_resume` does, while the lock is held."""
    try:
        manifest = Manifest.read(path, token, only_own=True)
    except OutputError:  # what is no manifest, or is not ours, is as good as none
        return False
    if manifest is None:
        return False
    if not manifest.is_done:
        try:
            manifest.exchange.resume(check)
        except ExchangeError:  # it has been undone
            remove([manifest_path(path, token)])
        else:
            manifest._replace(is_done=True).write(path, token)
    return True


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
            _write(temporary, path, data)
            written = WrittenFile(temporary, path, identity_of(temporary))
            Exchange.plan([written], (), token, is_last_alone=True).carry_out()
    except OutputError:
        raise
    except ExchangeError as error:
        raise _error_of(error, path, ()) from error
    except Exception as error:  # each filesystem raises its own
        raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error


def _write(temporary: str, final: str, data: bytes) -> None:
    """Writes a small temporary file; `create` takes the same paths."""

    def write() -> None:
        try:
            with create(temporary, final) as file:
                file.write(data)
        except BaseException:
            remove([temporary])  # another attempt could not create it again everywhere
            raise

    write() if is_local(temporary) else stores.retried("write", write)


def _reason(error: Exception) -> str:
    """Returns what an error says, without the name of a hidden file, of which users do not know."""
    cause = next(root_causes(error))
    return str(getattr(cause, "strerror", None) or cause)


@contextlib.contextmanager
def output_lock(path: str, token: str) -> Iterator[None]:
    """Locks `path` for a run, and ends what killed runs have begun; at the end removes its own.

    Several runs may hold locks of their own for one path; the last to publish wins.

    Raises:
      OutputError: the folder of `path` cannot be created, read or written.
    """
    with contextlib.ExitStack() as stack:
        try:
            if is_local(path):
                if (fault := why_not_followed(path)) is not None:
                    raise PermissionError(fault)
                stack.enter_context(_created_folder(os.path.dirname(target_of(path))))
            # Before there is a lock: a signal may come as soon as it is there.
            stack.callback(_remove_own, path, token)
            if is_local(path):
                stack.enter_context(run_lock(lock_path(path, token)))
            recover(path)
        except OutputError:
            raise
        except Exception as error:  # each filesystem raises its own
            raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error
        yield


@contextlib.contextmanager
def folder_of_windows(folder: str, token: str) -> Iterator[None]:
    """Locks a folder for the files of windows of a run, and at the end removes its leftovers.

    First removes those of killed runs. Several runs may write to one folder; each holds a lock of
    its own.

    Raises:
      OutputError: the folder cannot be created, read or written.
    """
    anchor = windows_anchor(folder)
    with contextlib.ExitStack() as stack:
        try:
            if is_local(folder):
                stack.enter_context(_created_folder(folder))
            stack.callback(_remove_of_run, folder, token)
            if is_local(folder):
                stack.callback(remove, [lock_path(anchor, token)])
                stack.enter_context(run_lock(lock_path(anchor, token)))
            for other, files in hidden_files_in(folder).items():
                with _if_abandoned(anchor, other, files) as is_abandoned:
                    if is_abandoned:
                        remove([*files, *([lock_path(anchor, other)] if is_local(folder) else [])])
        except Exception as error:  # each filesystem raises its own
            raise OutputError(f"{folder}: cannot be written ({_reason(error)})") from error
        yield


def _remove_of_run(folder: str, token: str) -> None:
    with contextlib.suppress(Exception):  # a folder that cannot be listed has none of ours
        remove(hidden_files_in(folder).get(token, ()))


def publish_alone(file: WrittenFile, retrier: Retrier, *, token: str) -> None:
    """Publishes a file that is a result by itself. May be repeated.

    Args:
      file: what has been written.
      retrier: of the stage that publishes.
      token: of the run.

    Raises:
      OutputError: the file cannot be replaced.
    """
    try:
        Exchange.plan([file], (), token, is_last_alone=True).carry_out(retrier)
    except ExchangeError as error:
        raise _error_of(error, file.final, [file]) from error


def is_locked(path: str, token: str) -> bool:
    """Whether the run that has locked `path` still wants it; without locks it always does."""
    return not is_local(path) or os.path.exists(lock_path(path, token))


def revoke(path: str, token: str) -> None:
    """Keeps whoever still works for the run with this `token` from publishing `path`."""
    if is_local(path):
        remove([lock_path(path, token)])


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
    """Removes the hidden files that the run with this `token` has made for `path`."""
    with contextlib.suppress(Exception):  # a folder that cannot be listed has none of ours
        remove(hidden_files(path).get(token, ()))


@contextlib.contextmanager
def _if_abandoned(path: str, token: str, files: Sequence[str]) -> Iterator[bool]:
    """Yields whether the run with this `token`, to which these hidden files belong, has ended."""
    if is_local(path):
        with if_abandoned(lock_path(path, token)) as is_abandoned:
            yield is_abandoned
        return
    newest = 0.0
    for file in files:
        try:
            newest = max(newest, stores.last_updated(file))
        except Exception as error:  # each filesystem raises its own
            if not is_missing(error):  # another run has removed it
                raise
    yield time.time() - newest > _ABANDONED_AGE
