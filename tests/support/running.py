"""Runs of the command line that go on while a test looks at them."""

import contextlib
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.cli import COMMAND, GIVE_UP, Finished, environment, interruptible

_RUNNER_DIED = "the runner's job server has ended"


class Running:
    """A run that goes on, in a group of processes of its own. It has what its `Popen` has.

    Args:
      start: starts it.

    Attributes:
      continues: whether the same command continues if the runner dies.
    """

    def __init__(self, start: "Callable[[], subprocess.Popen[bytes]]"):
        self.continues = True
        self._start = start
        self._process = start()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._process, name)

    def check(self) -> None:
        """Checks that it goes on.

        Prism sometimes dies by itself on a busy machine. For this case, the command promises that
        the same one continues, so it is started again, with a warning.

        Raises:
          AssertionError: it has ended, for another reason.
        """
        if self._process.poll() is None:
            return
        assert self._process.stderr is not None
        error = self._process.stderr.read().decode()
        assert self.continues and _RUNNER_DIED in error, f"it has ended: {error}"
        warnings.warn(f"started again: {error}", stacklevel=3)
        self.end()
        self._process = self._start()

    def end(self) -> None:
        """Kills its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextlib.contextmanager
def running(*arguments: object, cwd: Path, **more: str) -> Iterator[Running]:
    """A run, all of whose processes are killed at the end; see `Running`."""

    def start() -> "subprocess.Popen[bytes]":
        with interruptible():
            return subprocess.Popen(
                [*COMMAND, *map(str, arguments)],
                cwd=cwd,
                env=environment(**more),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

    run = Running(start)
    try:
        yield run
    finally:
        run.end()


def stopped(run: Running, number: int) -> Finished:
    """Ends a run as a user does; Ctrl-C reaches all that it has started, too."""
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    _, err = run.communicate(timeout=GIVE_UP)
    return Finished(run.returncode, b"", err.decode())


def wait_until(condition: Callable[[], Any], run: Running) -> None:
    """Waits for something that happens while a run goes on."""
    deadline = time.monotonic() + GIVE_UP
    while not condition():
        run.check()
        assert time.monotonic() < deadline
        time.sleep(0.05)
