"""Publishing: a result appears complete or not at all, whichever process is killed.

A run that writes PATH has a token, a random name, and goes through these states. Each is visible in
hidden files beside PATH, or beside the file that PATH leads to if it is a symbolic link. The client
is the process that began the run:

1. *locked*: ``.PATH.TOKEN.lock``, held by the client as long as it lives. The run is wanted.
2. *written*: ``.PATH.TOKEN.XXXXXXXX.tmp``, a file for each file of the result. Workers write them.
3. *committed*: ``.PATH.TOKEN.manifest`` lists the temporary files and their final names, the files
   of the old result that must go, and the run's totals. From here on the new result must be
   published.
4. *set aside*: existing files with the final names, such as old shards and dead letters, have been
   renamed to ``.PATH.TOKEN.XXXXXXXX.old``. One file that replaces one file skips this state.
5. *published*: every temporary file has been renamed to its final name, a result of one file last.
6. *replaced*: files of an old result with another number of shards are set aside too, and then all
   files set aside are removed. `beam_pipeline.io.exchange` makes the steps from 3 to here, and
   undoes them if one of them fails.
7. *clean*: the client has read the manifest, and removes it together with the lock.

A worker makes the steps from 2 to 6 in `publish`. It holds the lock of the folder meanwhile, so
that two runs to one PATH publish one after the other, and never mix.

If a process dies or is interrupted:

- A worker that dies before 3 leaves the old result; the client removes the temporary files.
- A worker that dies between 3 and 6 has committed: the client finishes its work (`finish`).
- A client that is interrupted before 3 revokes the run: it removes the lock, and a worker that
  tries to publish later finds no lock and refuses.
- A client that is killed leaves a lock that no process holds. The next run that writes to PATH or
  merges it (``--merge``) calls `recover`: committed files are published, and others are removed. If
  the workers were killed too, some shards are missing until then, but old and new ones are never
  mixed, and a result of one file always exists.

Without a client that waits (in a user's own pipeline) there is no lock, and a manifest exists only
while the files are exchanged.

On stores, a lease replaces the lock of the folder, see `beam_pipeline.io.leases`: if a worker is
killed while it publishes, other runs wait for half a minute. The run that takes over completes that
exchange before its own. Runs have no locks there; hidden files are abandoned when they are a day
old.
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

# On filesystems without locks, hidden files older than this are abandoned, in seconds.
_ABANDONED_AGE = 24 * 60 * 60
# How many times to try again to publish when the lock has been lost.
_ATTEMPTS = 3
# The maximum size of a manifest in bytes: that of 10,000 shards with the longest paths is smaller.
_MAX_MANIFEST_SIZE = 256 << 20


class Manifest(NamedTuple):
    """The commitment of a run to publish its files.

    Attributes:
      exchange: the files to be published, and those to be replaced.
      totals: the totals of the whole run.
      is_done: whether the exchange is complete. There may be other results by now.
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

        Other users may write to the folder too. Therefore a manifest is accepted only if it moves
        only files with the names of this run.

        Args:
          path: the path of the output.
          token: the token of the run.
          only_own: whether to reject a local manifest that another user has written.

        Raises:
          OutputError: it cannot be read, or is not a valid manifest.
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
    """Publishes the files that a run has written, in order, in place of an earlier result.

    May be repeated.

    Args:
      path: the path of the output.
      files: the written files; the file or the shards of the output are last.
      retrier: the retrier of the stage that publishes.
      token: the token of the run.
      num_shards: the number of shards of the output.
      totals: the totals of the run, for the client, which waits for the manifest; None if there is
        no client.

    Raises:
      OutputError: a file of the output cannot be replaced, or the client has revoked the run.
      DeadLettersError: the file of dead letters cannot be replaced.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _publish(path, files, retrier, token, num_shards, totals)
            return
        except LockLostError:  # others have completed the exchange, or it had not begun
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
    """Does what `publish` does, while the lock is held."""
    with _exclusively(path, token) as check:
        if totals is not None and not is_locked(path, token):
            raise OutputError(
                f"{path}: not published: the run that asked for it has been stopped, or waits "
                "on another machine"
            )
        try:
            committed = Manifest.read(path, token, only_own=True)
            # Otherwise an earlier attempt was interrupted, or this is a template's next run.
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
    """Removes the manifest if the lock was lost meanwhile, because others may have published.

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
    """While inside, no other run publishes to `path` (on a store, only if it is a supported one).

    Args:
      path: the path of an output, in whose folder hidden files can be written.
      token: the token of the run whose files are exchanged.

    Yields:
      A function that raises a `LockLostError` if the lock is no longer held.
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
        if held.run != token:  # another run, which was killed
            _end(path, held.run, held.check)
            held.hand_to(token)
        yield held.check


def _hold() -> None:
    """The check of a lock that cannot be lost."""


def _stale(path: str, num_shards: int, files: Sequence[WrittenFile]) -> list[str]:
    """Returns the files of an earlier result with another number of shards.

    If `path` is a symbolic link, its target is returned. The link stays, because the hidden files
    of the run are beside its target.

    Raises:
      ExchangeError: `path` is a link that must not be followed.
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
    """Ends a run that stopped early: publishes its files if it has committed, or revokes it.

    Returns:
      The manifest of a run whose result is now published; None for a run that had not committed.

    Raises:
      OutputError: it cannot be published; the earlier result is unchanged.
    """
    with _exclusively(path, token) as check:
        manifest = Manifest.read(path, token, only_own=True)
        if manifest is None:
            revoke(path, token)  # its job may still be running
            return None
        try:
            if not manifest.is_done:
                manifest.exchange.carry_out(check=check)
        except ExchangeError as error:
            raise _error_of(error, path, ()) from error
        return manifest


def recover(path: str, *, is_only_read: bool = False) -> None:
    """Cleans up after killed runs that wrote to `path`: publishes the files of committed runs.

    All other hidden files of these runs are removed.

    Args:
      path: the path of an output.
      is_only_read: whether to leave everything alone that this user's runs have not committed.

    Raises:
      OSError, OutputError: the folder of `path` cannot be read or locked.
    """
    for token, files in hidden_files(path).items():
        with _if_abandoned(path, token, files) as is_abandoned:
            if is_abandoned and (_resume(path, token) or not is_only_read):
                remove(files)


def _resume(path: str, token: str) -> bool:
    """Completes the exchange of a killed run, and returns whether it had committed."""
    with _exclusively(path, token) as check:
        return _end(path, token, check)


def _end(path: str, token: str, check: Callable[[], None]) -> bool:
    """Does what `_resume` does, while the lock is held."""
    try:
        manifest = Manifest.read(path, token, only_own=True)
    except OutputError:  # an invalid manifest, or one that is not ours, is ignored
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
    """Writes one small file atomically.

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
            remove([temporary])  # on some filesystems another attempt could not create it again
            raise

    write() if is_local(temporary) else stores.retried("write", write)


def _reason(error: Exception) -> str:
    """Returns the message of an error without the name of a hidden file, unknown to users."""
    cause = next(root_causes(error))
    return str(getattr(cause, "strerror", None) or cause)


@contextlib.contextmanager
def output_lock(path: str, token: str) -> Iterator[None]:
    """Locks `path` for a run, after cleaning up after killed runs; cleans up after it at the end.

    Several runs may hold their own locks for one path; the last one to publish wins.

    Raises:
      OutputError: the folder of `path` cannot be created, read or written.
    """
    with contextlib.ExitStack() as stack:
        try:
            if is_local(path):
                if (fault := why_not_followed(path)) is not None:
                    raise PermissionError(fault)
                stack.enter_context(_created_folder(os.path.dirname(target_of(path))))
            # Before the lock exists, because a signal may arrive as soon as it does.
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

    Leftovers of killed runs are removed first. Several runs may write to one folder; each holds its
    own lock.

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
    """Publishes a file that is a whole result. May be repeated.

    Args:
      file: the written file.
      retrier: the retrier of the stage that publishes.
      token: the token of the run.

    Raises:
      OutputError: the file cannot be replaced.
    """
    try:
        with retrier.applied():
            Exchange.plan([file], (), token, is_last_alone=True).carry_out(retrier)
    except ExchangeError as error:
        raise _error_of(error, file.final, [file]) from error


def is_locked(path: str, token: str) -> bool:
    """Whether the run still holds its lock of `path`; always true on filesystems without locks."""
    return not is_local(path) or os.path.exists(lock_path(path, token))


def revoke(path: str, token: str) -> None:
    """Prevents workers of the run with this `token` from publishing `path`."""
    if is_local(path):
        remove([lock_path(path, token)])


@contextlib.contextmanager
def _created_folder(folder: str) -> Iterator[None]:
    """Creates `folder` and its parents, and at the end removes those that are still empty."""
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
    """Yields whether the run with this `token` and these hidden files has ended."""
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
