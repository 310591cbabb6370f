"""A signal ends a run at any moment, on every local runner, and what is said then is true."""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

import beam_pipeline
from beam_pipeline.interruption import Command
from beam_pipeline.io import exchange, publishing
from tests.support import programs
from tests.support.cli import COMMAND, GIVE_UP, environment, interruptible
from tests.support.moments import SIGNALS, Run

IN_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text that is long enough to be counted in compiled code."""
    path = tmp_path / "text.txt"
    path.write_text("Listen to the silent cat. " * 100_000)
    return path


@pytest.fixture(autouse=True)
def signals_are_not_ignored() -> Iterator[None]:
    with interruptible():
        yield


def assert_true_at_moments(run: Run, number: int) -> set[str]:
    """Gives a run signals at moments that are spread evenly over it; returns what it said."""
    last, result = run.whole()
    step = last / number
    moments = [random.randint(round(i * step), round((i + 1) * step)) for i in range(number)]
    return {
        run.assert_true_at(max(1, moment), SIGNALS[index % len(SIGNALS)], result)
        for index, moment in enumerate(moments)
    }


def test_a_signal_at_a_few_moments(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", ("--text=cat",))
    last, result = run.whole()
    said = [
        run.assert_true_at(moment, SIGNALS[index % 3], result)
        for index, moment in enumerate((1, last // 3, last - 200, 2 * last))
    ]
    # Runs differ in the number of moments: the third one may come before or behind the result.
    assert said[:2] == ["nothing was published"] * 2
    assert said[-1] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("to_file", [True, False])
@pytest.mark.parametrize("option", ["--engine=vectorized", "--engine=elementwise"])
def test_a_signal_at_many_moments(option: str, to_file: bool, text: Path, tmp_path: Path) -> None:
    assert_true_at_moments(Run(tmp_path / "run", (f"--input={text}", option), to_file), 10)


@pytest.mark.slow
def test_a_signal_at_many_moments_of_a_run_with_worker_processes(
    text: Path, tmp_path: Path
) -> None:
    assert_true_at_moments(Run(tmp_path / "run", (f"--input={text}", *IN_PROCESSES)), 12)


@pytest.mark.cluster
def test_a_signal_at_many_moments_of_a_run_on_prism(text: Path, tmp_path: Path) -> None:
    arguments = (f"--input={text}", "--runner=PrismRunner", f"--prism_location={programs.prism()}")
    assert_true_at_moments(Run(tmp_path / "run", arguments), 12)


@pytest.mark.slow
def test_a_signal_in_the_built_in_cases(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", ("--test_case=all",), to_file=False)
    last, result = run.whole()
    for moment in range(1, last, last // 6):
        run.assert_true_at(moment, signal.SIGTERM, result)


@pytest.mark.parametrize("to_file", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_around_publication_what_is_said_is_true(to_file: bool, tmp_path: Path) -> None:
    """The last things that a run does, which are few, one after the other."""
    run = Run(tmp_path / "run", ("--text=cat",), to_file)
    last, result = run.whole()
    said = {
        run.assert_true_at(moment, signal.SIGTERM, result) for moment in range(last - 60, last, 20)
    }
    assert said & {"the result had been published", "done"}


@pytest.mark.parametrize(
    ("module", "function", "name", "goes_on_at_once", "expected"),
    [
        (publishing, "publish", "result.json", False, {False}),  # before the lock of the folder
        # Under the lock it may commit, or not; afterwards it has committed.
        (publishing, "rename", ".manifest", True, {False, True}),
        (exchange, "rename", "result.json", True, {True}),
    ],
)
def test_the_lock_decides_whether_an_interrupted_run_is_published(
    module: ModuleType,
    function: str,
    name: str,
    goes_on_at_once: bool,
    expected: set[bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run has come to a call of this function with a path that ends so, and waits there."""
    reached, goes_on = threading.Event(), threading.Event()
    original = getattr(module, function)

    def wait(*arguments: Any, **more: Any) -> None:
        path = arguments[1] if function == "rename" else arguments[0]
        if path.endswith(name):
            reached.set()
            goes_on.wait()
        original(*arguments, **more)

    output = tmp_path / "result.json"
    command = Command(lambda: beam_pipeline.run(["--text=cat", f"--output={output}"]), grace=0.1)

    def interrupt() -> None:
        reached.wait()
        command.end(KeyboardInterrupt())
        if goes_on_at_once:
            goes_on.set()

    monkeypatch.setattr(module, function, wait)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt) as raised:
        command.run()
    goes_on.set()
    command._thread.join(GIVE_UP)
    published = str(raised.value) == "interrupted; the result had been published"
    assert published in expected
    assert published or str(raised.value) == "interrupted; nothing was published"
    assert os.listdir(tmp_path) == (["result.json"] if published else [])


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    running = subprocess.Popen(
        [*COMMAND, "--input=pipe"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    with (tmp_path / "pipe").open("wb"):  # opens when the run reads
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGHUP):
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(number)
                time.sleep(0.01)
        _, err = running.communicate(timeout=GIVE_UP)
    # Where a process has not run between two signals, either may reach it first.
    assert running.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGHUP)
    assert err == b"error: interrupted; nothing was published\n"


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As `nohup` and a shell that starts a job in the background want it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = Run(tmp_path / "run", ("--text=cat",))
        assert run.until(200, signal.SIGHUP).code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("log_format", ["--log_format=json", "--log-format json"])
def test_an_interrupt_can_be_reported_as_json(log_format: str, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", ("--text=cat", *log_format.split()))
    err = run.until(1, signal.SIGINT).err
    assert err == (
        '{"event": "error", "message": "interrupted; nothing was published", "exit_code": 130}\n'
    )


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 0.1, 0.3, 0.6, 1, 2])
def test_workers_of_a_run_that_is_killed_end_too(
    seconds: float, text: Path, tmp_path: Path
) -> None:
    """Whenever that is; the times only choose among the moments at which they start."""
    running = subprocess.Popen(
        [*COMMAND, f"--input={text}", "--chaos=words=0:36000", *IN_PROCESSES],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    while not psutil.Process(running.pid).children() and running.poll() is None:
        time.sleep(0.01)
    time.sleep(seconds)
    running.kill()
    running.wait()
    deadline = time.monotonic() + GIVE_UP
    while left := _of_session(running.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _of_session(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
