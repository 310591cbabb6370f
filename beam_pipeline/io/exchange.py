"""Replaces the files of one result by those of another: all of them or none.

A single file is replaced by one rename, which is atomic. If there are several, the old files are
first moved to hidden names, then the new files get their final names, and then the old files are
removed. So old and new files never exist together under the names of one result. If a step fails,
the steps before it are undone. Each step may be repeated, also by another process.
"""

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_pipeline.io.leases import LockLostError
from beam_pipeline.io.naming import (
    backup_path,
    is_hidden_of,
    is_place_of,
    target_of,
    why_not_followed,
)
from transforms.files import stores
from transforms.files.compression import compression_for
from transforms.files.renaming import Guard
from transforms.files.schemes import is_local


class WrittenFile(NamedTuple):
    """A file that has been written, but not published yet.

    Attributes:
      temporary: its current path.
      final: the path at which it is to be published, as the user has given it.
      identity: distinguishes it from other files, see `identity_of`.
    """

    temporary: str
    final: str
    identity: str


class NewFile(NamedTuple):
    """A file of the new result: like `WrittenFile`, but with the real path of its final place."""

    temporary: str
    target: str
    identity: str


class OldFile(NamedTuple):
    """A file to be removed, and its backup path until the new result is complete."""

    target: str
    backup: str


class ExchangeError(Exception):
    """Files could not be exchanged, and nothing has changed.

    Attributes:
      target: the file that could not be replaced or removed.
      cause: the reason.
      backups: the paths of backups that could not be restored; normally none.
    """

    def __init__(self, target: str, cause: Exception, backups: Sequence[str] = ()):
        super().__init__(target, cause, backups)
        self.target, self.cause, self.backups = target, cause, tuple(backups)


class Step(NamedTuple):
    """A step of an exchange, which may be executed more than once.

    Attributes:
      target: the file that it replaces or removes.
      make: executes it.
    """

    target: str
    make: Callable[[], None]


def _call(make: Callable[[], None]) -> None:
    make()


def _hold() -> None:
    pass


class Exchange(NamedTuple):
    """The plan to replace one result by another.

    Attributes:
      new: the files of the new result, in the order in which they get their final names.
      old: the files to be moved aside: those at these names, and others of the old result.
    """

    new: tuple[NewFile, ...] = ()
    old: tuple[OldFile, ...] = ()

    @classmethod
    def plan(
        cls,
        files: Sequence[WrittenFile],
        stale: Iterable[str],
        token: str,
        *,
        is_last_alone: bool,
    ) -> "Exchange":
        """Returns the exchange that publishes `files`. Gives them the modes of those they replace.

        Args:
          files: the files of the new result, in order.
          stale: files of the old result that are not replaced. If one is a symbolic link, the link
            is removed, not its target.
          token: the token of the run.
          is_last_alone: whether the last file is a whole result, not a shard. Then it replaces the
            old one in one step, so a result always exists.

        Raises:
          ExchangeError: two files have the same place, a symbolic link has changed since its file
            was written, or a link must not be followed.
        """
        new = [NewFile(file.temporary, target_of(file.final), file.identity) for file in files]
        places: set[str] = set()
        for written, file in zip(files, new, strict=True):
            if (fault := why_not_followed(written.final)) is not None:
                raise ExchangeError(file.target, ValueError(fault))
            if file.target in places:
                raise ExchangeError(file.target, ValueError("two files of the result are there"))
            if not is_hidden_of(file.temporary, file.target, token, ".tmp"):
                raise ExchangeError(file.target, ValueError("the file was written for elsewhere"))
            places.add(file.target)
            copy_mode(file.target, file.temporary)
        stale = [path for path in stale if path not in places]
        set_aside = new[:-1] if is_last_alone and not stale else new
        old = [file.target for file in set_aside if _exists(file.target)] + stale
        return cls(tuple(new), tuple(OldFile(path, backup_path(path, token)) for path in old))

    def carry_out(
        self,
        attempt: Callable[[Callable[[], None]], None] = _call,
        check: Callable[[], None] = _hold,
    ) -> None:
        """Executes the steps that have not been executed yet.

        Args:
          attempt: calls the function that executes a step, with retries.
          check: called before each attempt at a step. It returns if this process has the exclusive
            right to exchange these files. If it raises a `LockLostError`, no more steps are made.

        Raises:
          ExchangeError: a step has failed, and the exchange has been undone.
          LockLostError: raised by `check`; another process completes the exchange.
        """

        def checked(make: Callable[[], None]) -> None:
            check()
            make()

        target = ""
        try:
            for step in self._steps(check):
                target = step.target
                attempt(functools.partial(checked, step.make))
        except LockLostError:
            raise
        except Exception as error:  # each filesystem raises its own
            if not self._is_complete():  # an error may occur after the last step
                check()
                raise ExchangeError(target, error, self._undo(check)) from error
        remove(old.backup for old in self.old)

    def resume(self, check: Callable[[], None] = _hold) -> None:
        """Completes an interrupted exchange if all new files exist, or else undoes it.

        Does nothing if it was complete, because there may be other results by now.

        Args:
          check: as for `carry_out`.

        Raises:
          ExchangeError: it could not be completed, and has been undone.
          LockLostError: raised by `check`.
        """
        if all(_exists(file.temporary) or _is_in_place(file) for file in self.new):
            self.carry_out(check=check)
        elif any(_exists(file.temporary) for file in self.new) or any(
            _exists(old.backup) for old in self.old
        ):
            self._undo(check)

    def is_of(self, path: str, token: str) -> bool:
        """Returns whether it moves only files that the run with this token and output may move.

        A new file may get only the name that it was written for, which its hidden name shows. An
        old file must have the name of a new one, of the output, or of a shard.
        """
        new = {file.target for file in self.new}
        return all(
            is_hidden_of(file.temporary, file.target, token, ".tmp") for file in self.new
        ) and all(
            is_hidden_of(file.backup, file.target, token, ".old")
            and (file.target in new or is_place_of(file.target, path))
            for file in self.old
        )

    def _steps(self, check: Callable[[], None]) -> Iterator[Step]:
        new = {file.target: file for file in self.new}
        for old in self.old:
            if old.target in new:
                yield Step(old.target, functools.partial(_set_aside, old, new[old.target], check))
        for file in self.new:
            yield Step(file.target, functools.partial(_put_in_place, file, check))
        for old in self.old:
            if old.target not in new:
                yield Step(old.target, functools.partial(_set_aside, old, None, check))

    def _is_complete(self) -> bool:
        new = {file.target for file in self.new}
        return all(map(_is_in_place, self.new)) and not any(
            _exists(old.target) for old in self.old if old.target not in new
        )

    def _undo(self, check: Callable[[], None]) -> list[str]:
        """Undoes the steps made so far. Returns the backups that cannot be restored.

        Raises:
          LockLostError: raised by `check`; another process completes the exchange.
        """
        for file in self.new:
            if not _exists(file.temporary) and _is_in_place(file):
                try:
                    rename(file.target, file.temporary, Guard(file.target, check))
                except LockLostError:
                    raise
                except Exception:  # each filesystem raises its own
                    continue
        left = []
        for old in self.old:
            if not _exists(old.backup):
                continue
            try:
                if _exists(old.target):
                    raise FileExistsError(old.target)
                rename(old.backup, old.target, Guard(old.target, check))
            except LockLostError:
                raise
            except Exception:  # each filesystem raises its own
                left.append(old.backup)
        return left


def create(temporary: str, final: str, *, compressed: bool = False) -> BinaryIO:
    """Opens a temporary file for writing.

    Args:
      temporary: its path.
      final: the path at which it will be published. If a file exists there, no other user may read
        the new file until it gets the mode of the old one.
      compressed: whether to compress it as the extension of `final` says.
    """
    if is_local(final) and os.path.exists(final):
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    compression = compression_for(final) if compressed else CompressionTypes.UNCOMPRESSED
    if is_local(temporary):
        return FileSystems.create(temporary, compression_type=compression)
    return stores.create(temporary, compression)


def identity_of(path: str) -> str:
    """Returns a string that identifies a file, and stays the same when it is renamed.

    On filesystems that are not local, it is only the size.
    """
    if is_local(path):
        found = os.stat(path, follow_symlinks=False)
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
    return str(stores.metadata(path).size_in_bytes)


def rename(source: str, target: str, guard: Guard | None = None) -> None:
    """Renames a file, replacing what is at `target`.

    Args:
      source: the path of the file.
      target: its new path.
      guard: a file that others may replace meanwhile, on a store; not needed for local files.

    Raises:
      Exception: the file cannot be renamed; each filesystem raises its own.
    """
    os.replace(source, target) if is_local(target) else stores.rename(source, target, guard)


def remove(paths: Iterable[str]) -> None:
    """Deletes files, as far as possible."""
    for path in paths:
        # Another run may clean up at the same time; a later run removes what is left.
        with contextlib.suppress(Exception):  # each filesystem raises its own
            os.remove(path) if is_local(path) else stores.delete([path])


def copy_mode(source: str, target: str) -> None:
    """Gives a local file the mode, and if possible the owner and group, of another one."""
    if not is_local(source):
        return
    try:
        found = os.stat(source)
    except FileNotFoundError:
        return
    with contextlib.suppress(OSError):  # only root may give files away
        os.chown(target, found.st_uid if os.geteuid() == 0 else -1, found.st_gid)
    with contextlib.suppress(OSError):  # a worker of another user has written it
        os.chmod(target, stat.S_IMODE(found.st_mode))


def _exists(path: str) -> bool:
    return os.path.lexists(path) if is_local(path) else stores.exists(path)


def _is_in_place(file: NewFile) -> bool:
    return _exists(file.target) and identity_of(file.target) == file.identity


def _set_aside(old: OldFile, replacement: NewFile | None, check: Callable[[], None]) -> None:
    is_done = _exists(old.backup) or not _exists(old.target)
    if not is_done and (replacement is None or not _is_in_place(replacement)):
        _check_is_file(old.target)
        rename(old.target, old.backup, Guard(old.target, check))


def _put_in_place(file: NewFile, check: Callable[[], None]) -> None:
    if _exists(file.temporary):
        _check_is_file(file.target)
        rename(file.temporary, file.target, Guard(file.target, check))
    elif not _is_in_place(file):
        raise FileNotFoundError(errno.ENOENT, "its temporary file is gone", file.temporary)


def _check_is_file(path: str) -> None:
    """Raises an error if something at `path` is neither a regular file nor a link."""
    if is_local(path) and os.path.lexists(path):
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise FileExistsError(errno.EEXIST, "what is there is no regular file", path)
