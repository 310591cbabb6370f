"""Locks on stores, which have no file locks: a register beside the output says who publishes.

A run that writes into the empty register has the lock. It is a lease: its holder renews it
regularly, and a waiting run takes it over when it has not been renewed for so long that the holder
must have given up. No clocks are compared between machines: each process measures with its own
clock how long ago it has written, or seen a change.

The register has the token of the run whose files are being exchanged. A killed holder may have
exchanged only some of them, so a run that takes the lock over keeps that token until it has
completed the exchange, and only then publishes its own files.
"""

import contextlib
import contextvars
import random
import threading
import time
from collections.abc import Iterator

from beam_pipeline.errors import OutputError
from transforms.files.registers import Register
from transforms.stages import traffic
from transforms.stages.retry import describe

# How often to check whether a lock is free, in seconds.
_POLL_SECONDS = 0.5


class LockLostError(OutputError):
    """Another run has taken the lock over, and completes the exchange of this one."""


class Lease:
    """The lock of an output, while it is held. A thread renews it.

    Args:
      path: the path of the output.
      register: the register with the lock.
      version: the version that the holder has written there.
      run: the token that it has written.
      written: when it began to write, by `time.monotonic`.
      seconds: after how many seconds without a renewal others take the lock over.
    """

    def __init__(
        self, path: str, register: Register, version: str, run: str, written: float, seconds: float
    ):
        self._path, self._register, self._seconds = path, register, seconds
        self._version, self._run, self._written = version, run, written
        self._is_lost = False
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._traffic = traffic.of_thread()
        context = contextvars.copy_context()  # has the settings for retries
        self._thread = threading.Thread(
            target=context.run, args=(self._renew,), name="lease", daemon=True
        )
        self._thread.start()

    @property
    def run(self) -> str:
        """The token of the run whose files are being exchanged."""
        return self._run

    def hand_to(self, run: str) -> None:
        """Records that from now on the files of another run are exchanged.

        Raises:
          LockLostError: the lock is no longer held.
        """
        self._write(run)
        self.check()

    def check(self) -> None:
        """Checks that the lock is held for long enough to make one request.

        Raises:
          LockLostError: it is not.
        """
        # Some of the time is reserved for the request.
        if self._is_lost or time.monotonic() - self._written > self._seconds * 2 / 3:
            raise LockLostError(
                f"{self._path}: not published: the store could not be reached for so long that "
                "another run may have taken over"
            )

    def release(self) -> None:
        """Releases the lock."""
        self._stop.set()
        self._thread.join()
        # If this fails, the next run takes the lock over.
        with contextlib.suppress(Exception):  # each client raises its own
            self.check()
            self._register.clear(self._version)

    def _renew(self) -> None:
        with traffic.counted_in(self._traffic):
            while not self._stop.wait(self._seconds / 6) and not self._is_lost:
                # Each client raises its own; there is time left to try again.
                with contextlib.suppress(Exception):
                    self._write()

    def _write(self, run: str | None = None) -> None:
        """Writes another run into the register, or the same one again."""
        with self._writing:
            if run is None:
                run = self._run  # read only now: `hand_to` may just have changed it
            began = time.monotonic()
            version = self._register.write(run, self._version)
            if version is None:
                self._is_lost = True
            else:
                self._version, self._run, self._written = version, run, began


@contextlib.contextmanager
def lease(
    path: str,
    register: Register,
    token: str,
    *,
    seconds: float = 30.0,
    patience: float | None = None,
    timeout: float = 600.0,
) -> Iterator[Lease]:
    """Holds the lock of an output inside the ``with`` block.

    Args:
      path: the path of the output.
      register: the register with the lock.
      token: the token of the run that wants it.
      seconds: after how many seconds without a renewal others take the lock over.
      patience: after how many seconds it is taken over from others, by default the same number. If
        it were less than `seconds` of the others, it would be taken from live holders.
      timeout: how long to wait for the lock, in seconds.

    Raises:
      OutputError: the lock is not free in time, or the store does not answer.
    """
    try:
        found = _acquired(path, register, token, patience or seconds, time.monotonic() + timeout)
        held = Lease(path, register, *found, seconds)
    except OutputError:
        raise
    except Exception as error:  # each client raises its own
        raise OutputError(f"{path}: cannot be locked ({describe(error)})") from error
    try:
        yield held
    finally:
        held.release()


def _acquired(
    path: str, register: Register, token: str, patience: float, deadline: float
) -> tuple[str, str, float]:
    """Writes into the register; returns the version, the token, and when the write was begun."""
    run, began = token, time.monotonic()
    version = register.write(token)
    seen, since = "", began
    while version is None:
        if time.monotonic() > deadline:
            raise OutputError(
                f"{path}: not published: another run has been publishing there for too long"
            )
        time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.0))
        found, began = register.read(), time.monotonic()
        if found is None:
            run, version = token, register.write(token)
        elif found.version != seen:
            seen, since = found.version, began
        elif began - since > patience:
            run, version = found.text, register.write(found.text, seen)
    return version, run, began
