"""A run that is stopped, or loses a worker, ends at once and leaves the old result.

No test depends on how long anything takes: work that is not waited for would take hours.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import apache_beam as beam
import psutil
import pytest

from beam_pipeline import job
from beam_pipeline.io import exchange, publishing
from beam_pipeline.io.leases import LockLostError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import worker
from beam_pipeline.runners.run import run_to_end
from tests.support.cli import (
    COMMAND,
    GIVE_UP,
    Here,
    assert_one_line_error,
    environment,
    interruptible,
)
from transforms.errors import AnagramError
from transforms.files.renaming import Guard

pytestmark = pytest.mark.slow

Starter: TypeAlias = "Callable[..., subprocess.Popen[bytes]]"
#: Each attempt at a stage takes ten hours: a run that ends has not waited for it.
SLOW = "--chaos=words=0:36000"
IN_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.json").write_text("old")
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("cat")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Starter]:
    """Starts a run that takes hours; ends it, should the test fail."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        with interruptible():
            running = subprocess.Popen(
                [*COMMAND, "--input=*.txt", "--output=old.json", SLOW, *arguments],
                cwd=folder,
                env=environment(TMPDIR=str(folder)),
                stderr=subprocess.PIPE,
            )
        started.append(running)
        return running

    yield start
    for running in started:
        if running.poll() is None:
            for process in psutil.Process(running.pid).children(recursive=True):
                process.kill()
            running.kill()


def workers_of(running: "subprocess.Popen[bytes]", number: int) -> list[psutil.Process]:
    """Waits until a run has `number` worker processes; returns them."""
    deadline = time.monotonic() + GIVE_UP
    while running.poll() is None and time.monotonic() < deadline:
        children = psutil.Process(running.pid).children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            found = [child for child in children if worker.is_worker(child.cmdline())]
            if len(found) == number:
                return found
        time.sleep(0.1)
    running.kill()
    _, err = running.communicate()
    raise AssertionError(f"not {number} workers; exit code {running.returncode}: {err!r}")


def wait_until_locked(running: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Waits until a run has locked its output; then its pipeline runs."""
    deadline = time.monotonic() + GIVE_UP
    while not list(folder.glob(".old.json.*.lock")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def assert_ended(
    running: "subprocess.Popen[bytes]", folder: Path, code: int, message: bytes
) -> None:
    _, err = running.communicate(timeout=GIVE_UP)
    assert (running.returncode, err.count(b"\n")) == (code, 1), err
    assert message in err
    assert (folder / "old.json").read_text() == "old"
    assert sorted(os.listdir(folder)) == ["0.txt", "1.txt", "2.txt", "3.txt", "old.json"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), IN_PROCESSES], ids=["in_memory", "multi_processing"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_its_workers(
    number: int, code: int, mode: tuple[str, ...], folder: Path, start: Starter
) -> None:
    running = start(*mode)
    workers = workers_of(running, 2) if mode else []
    wait_until_locked(running, folder)
    running.send_signal(number)
    assert_ended(running, folder, code, b"error: interrupted; nothing was published")
    assert psutil.wait_procs(workers, timeout=GIVE_UP)[1] == []


@pytest.mark.slow
def test_a_worker_that_dies_fails_the_run(folder: Path, start: Starter) -> None:
    running = start(*IN_PROCESSES)
    first, second = workers_of(running, 2)
    second.kill()
    assert_ended(running, folder, 1, b"error: a worker process has died")
    assert psutil.wait_procs([first, second], timeout=GIVE_UP)[1] == []


@pytest.mark.parametrize("published", [True, False])
def test_a_worker_that_dies_while_it_publishes_is_finished_for(
    published: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """It has written down what it publishes, and dies before or after it has renamed the files."""
    here, rename = Here(capfdbinary), exchange.rename
    output = tmp_path / "result.json"

    def dies(pipeline: beam.Pipeline, options: AnagramOptions, notify: object) -> None:
        monkeypatch.setattr(exchange, "rename", rename_and_die)
        with contextlib.suppress(AnagramError):
            run_to_end(pipeline, options)
        monkeypatch.setattr(exchange, "rename", rename)
        raise AnagramError("a worker process has died")

    def rename_and_die(temporary: str, final: str, guard: Guard | None = None) -> None:
        if published or final != str(output):
            rename(temporary, final, guard)
        if final == str(output):
            raise LockLostError("died here")  # after which nothing is undone

    monkeypatch.setattr(job, "run_to_end", dies)
    finished = here("--text=cat", f"--output={output}")
    assert finished.code == 0, finished.err
    assert json.loads(output.read_text()) == {"act": 1, "cat": 1, "tac": 1}
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("gone", [False, True])
def test_what_ends_a_run_early_is_reported_even_if_its_folder_is_gone(
    gone: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """And workers that live on find that the output is no longer locked for them."""
    here, output = Here(capfdbinary), tmp_path / "new" / "result.json"
    locked: list[bool] = []

    def dies(pipeline: beam.Pipeline, options: AnagramOptions, notify: object) -> None:
        (lock,) = output.parent.glob(".*.lock")
        token = lock.name.split(".")[-2]
        locked.append(publishing.is_locked(str(output), token))
        if gone:
            shutil.rmtree(output.parent)
        monkeypatch.setattr(publishing, "remove", lambda paths: removed(paths, token))
        raise AnagramError("a worker process has died")

    remove = exchange.remove

    def removed(paths: Iterable[str], token: str) -> None:
        remove(paths)
        locked.append(publishing.is_locked(str(output), token))

    monkeypatch.setattr(job, "run_to_end", dies)
    finished = here("--text=cat", f"--output={output}")
    assert_one_line_error(finished, "a worker process has died", code=1)
    assert locked[:2] == [True, False]  # before anything else is removed
    assert os.listdir(tmp_path) == []
