"""Locks on stores, which have none: a register beside the output says who publishes.

Whoever writes into the empty register has the lock. It is a lease: its holder writes again and
again, and whoever waits takes it over when nothing new has been there for so long that the holder
must have given up. Nobody compares clocks: each process measures by its own how long ago it has
written, or seen something new.

What is written is the token of the run whose files are being exchanged. A killed holder may have
done half of that, so whoever takes the lock over does it in the name of the same run, ends what it
has begun, and only then goes on with its own.
"""

import contextlib
import random
import threading
import time
from collections.abc import Iterator

from beam_pipeline.errors import OutputError
from transforms.files.registers import Register
from transforms.stages import traffic
from transforms.stages.retry import describe

# How often to look whether a lock is free, in seconds.
_POLL_SECONDS = 0.5


class LockLostError(OutputError):
    """Another run has taken the lock over, and ends what this one has begun."""


class Lease:
    """The lock of an output, while it is held. Writes into the register in a thread of its own.

    Args:
      path: of the output.
      register: has the lock.
      version: of what the holder has written there.
      run: the token that it has written.
      written: when it began to, as `time.monotonic` has it.
      seconds: after which others take the lock over.
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
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    @property
    def run(self) -> str:
        """The token of the run whose files are being exchanged."""
        return self._run

    def hand_to(self, run: str) -> None:
        """Writes down that from now on the files of another run are exchanged.

        Raises:
          LockLostError: the lock is not held any more.
        """
        self._write(run)
        self.check()

    def check(self) -> None:
        """Makes sure that the lock is held for long enough to make one request.

        Raises:
          LockLostError: it is not.
        """
        # A part of the time is left for the request.
        if self._is_lost or time.monotonic() - self._written > self._seconds * 2 / 3:
            raise LockLostError(
                f"{self._path}: not published: the store could not be reached for so long that "
                "another run may have taken over"
            )

    def release(self) -> None:
        """Lets others have the lock."""
        self._stop.set()
        self._thread.join()
        # What is left where that fails is taken over.
        with contextlib.suppress(Exception):  # each client raises its own
            self.check()
            self._register.clear(self._version)

    def _renew(self) -> None:
        with traffic.counted_in(self._traffic):
            while not self._stop.wait(self._seconds / 6) and not self._is_lost:
                # Each client raises its own; there is time left to try again.
                with contextlib.suppress(Exception):
                    self._write(self._run)

    def _write(self, run: str) -> None:
        with self._writing:
            began = time.monotonic()
            version = self._register.write(run, self._version)
            if version is None:
                self._is_lost = True
            else:
                self._version, self._run, self._written = version, run, began


@contextlib.contextmanager
def lease(
    path: str, register: Register, token: str, *, seconds: float = 30.0, timeout: float = 600.0
) -> Iterator[Lease]:
    """Holds the lock of an output inside the ``with`` block.

    Args:
      path: of the output.
      register: has the lock.
      token: of the run that wants it.
      seconds: after which a lock is taken over whose holder has been killed.
      timeout: how long to wait for the lock, in seconds.

    Raises:
      OutputError: the lock is not free in time, or the store does not answer.
    """
    try:
        held = _acquired(path, register, token, seconds, time.monotonic() + timeout)
    except OutputError:
        raise
    except Exception as error:  # each client raises its own
        raise OutputError(f"{path}: cannot be locked ({describe(error)})") from error
    try:
        yield held
    finally:
        held.release()


def _acquired(path: str, register: Register, token: str, seconds: float, deadline: float) -> Lease:
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
        elif began - since > seconds:
            run, version = found.text, register.write(found.text, seen)
    return Lease(path, register, version, run, began, seconds)
