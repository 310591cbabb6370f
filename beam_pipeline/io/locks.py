"""Locks of runs and of folders, on local filesystems; for others, see `beam_pipeline.io.leases`.

Lock files are named after their runs, and are in folders to which other users may write too.
Therefore a file with the name of a lock is opened without blocking and without following a link,
and is left alone if it is not a regular file that this user can read.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from beam_pipeline.errors import OutputError
from beam_pipeline.io.naming import target_of

# How often to check whether a lock is free, in seconds.
_POLL_SECONDS = 0.02


@contextlib.contextmanager
def folder_lock(path: str, *, timeout: float = 600.0) -> Iterator[None]:
    """While inside, no other run publishes beside `path`.

    Args:
      path: the path of a local output, whose folder exists.
      timeout: how long to wait, in seconds. Publishing is fast, but any user who can read a folder
        can hold its lock.

    Raises:
      OutputError: the folder cannot be opened, or its lock is not free in time.
    """
    folder = os.path.dirname(target_of(path))
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error})") from error
    try:
        deadline = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise OutputError(
                    f"{path}: not published: another process has held the lock of {folder} for "
                    f"{timeout:.0f} seconds"
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def run_lock(lock: str) -> Iterator[None]:
    """Creates the lock file of a run, and holds it inside the ``with`` block. Does not remove it.

    Raises:
      OSError: it cannot be created.
    """
    while True:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, lock):  # otherwise another run has removed it as abandoned
                yield
                return
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def only_writer(path: str, lock: str) -> Iterator[None]:
    """While inside, no other run writes `path`.

    Args:
      path: the path of the local output, for messages.
      lock: the path of the lock file, which is created and not removed.

    Raises:
      OutputError: another run writes there, or the lock file cannot be created.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(lock, flags, 0o600)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        if not _try_lock(descriptor):
            raise OutputError(f"{path}: another run writes there; it can be ended with Ctrl-C")
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def if_abandoned(lock: str) -> Iterator[bool]:
    """Yields whether the run with this lock file has ended; only one process gets True at a time.

    A file that has the name of a lock but cannot be one is never abandoned: it is not ours.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(lock, flags)
    except FileNotFoundError:
        yield True
        return
    except OSError:  # a link, a socket, a file of another user
        yield False
        return
    try:
        yield stat.S_ISREG(os.fstat(descriptor).st_mode) and _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: str) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), found)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True
