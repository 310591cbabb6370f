"""The real command line, in a process of its own or in this one."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "beam_pipeline"]
#: Seconds after which a test gives up. No test depends on how long a process takes to start or to
#: end: this only keeps a process that hangs from blocking all other tests.
GIVE_UP = 900


class Finished(NamedTuple):
    """What a run left: its exit code, and the bytes and text it printed."""

    code: int
    out: bytes
    err: str


def environment(**more: str) -> Mapping[str, str]:
    """The environment of a run in any folder, with the checkout importable."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run(*arguments: object, cwd: Path, stdin: bytes = b"", **more: str) -> Finished:
    """``python -m beam_pipeline`` with `arguments`; `more` are environment variables."""
    finished = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        timeout=GIVE_UP,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr.decode())


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Processes that are started inside the ``with`` block can be interrupted.

    A shell may have started the tests with interrupts ignored, and processes inherit that. (The
    parameter `preexec_fn` of `Popen` is not for a process with gRPC's threads, as tests that ran
    before may have left: it makes a copy of the process, which they abort.)
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Here:
    """Runs the command line in this process: fast, but its imports and log settings are ours."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]):
        self._capture = capture

    def __call__(self, *arguments: object) -> Finished:
        from beam_pipeline import run

        self._capture.readouterr()
        code = run([*map(str, arguments)])
        out, err = self._capture.readouterr()
        return Finished(code, out, err.decode())


def assert_one_line_error(finished: Finished, *names: object, code: int) -> None:
    """The run failed with `code` and one line on standard error that has all of `names`."""
    assert finished.code == code, finished.err
    assert finished.out == b""
    assert "Traceback" not in finished.err
    lines = finished.err.splitlines()
    assert len(lines) == 1, finished.err
    assert lines[0].startswith("error: ")
    for name in names:
        assert str(name) in lines[0]
