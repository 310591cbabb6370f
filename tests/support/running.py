"""Runs of the command line that go on while a test looks at them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.cli import COMMAND, GIVE_UP, Finished, environment, interruptible


@contextlib.contextmanager
def running(*arguments: object, cwd: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a group of processes of its own, all of which are killed at the end."""
    with interruptible():
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def stopped(process: subprocess.Popen[bytes], number: int) -> Finished:
    """Ends a run as a user does; Ctrl-C reaches all that it has started, too."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=GIVE_UP)
    return Finished(process.returncode, b"", err.decode())


def wait_until(condition: Callable[[], Any], running: subprocess.Popen[bytes]) -> None:
    """Waits for something that happens while a run goes on."""
    deadline = time.monotonic() + GIVE_UP
    while not condition():
        if running.poll() is not None:
            assert running.stderr is not None
            raise AssertionError(f"it has ended: {running.stderr.read().decode()}")
        assert time.monotonic() < deadline
        time.sleep(0.05)
