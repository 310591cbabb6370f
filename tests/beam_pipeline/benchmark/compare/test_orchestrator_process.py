"""A process of an orchestrator runs in its own turn only, and is started anew where it ended."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from beam_pipeline.benchmark.compare.orchestrator_process import OrchestratorProcess
from beam_pipeline.benchmark.compare.run import Status

#: Seconds that no run needs, not even on a busy machine.
AMPLE = 600
BUSY = """
import threading

def spin():
    while True:
        pass

class TaskOrchestrator:
    def process_text(self, text):
        if not isinstance(text, str):
            raise ValueError(text)
        threading.Thread(target=spin, daemon=True).start()
        return {"runtime": 0, "anagram_counts": {}}
"""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[OrchestratorProcess]:
    """An orchestrator that leaves a busy thread behind with each text."""
    path = tmp_path / "busy.py"
    path.write_text(BUSY)
    process = OrchestratorProcess(path)
    yield process
    process.stop()


def wait_for_status(process: psutil.Process, status: str) -> None:
    """Waits, however long it takes, until the system has done what a signal asks for."""
    while process.status() != status:
        time.sleep(0.01)


def test_a_process_is_paused_between_its_turns(busy: OrchestratorProcess) -> None:
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    (worker,) = busy.processes()
    wait_for_status(worker, psutil.STATUS_STOPPED)
    before = worker.cpu_times()
    for _ in itertools.repeat(None, 100):
        assert worker.status() == psutil.STATUS_STOPPED
    assert worker.cpu_times() == before
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    assert busy.processes() == [worker]
    assert len(busy.start_seconds) == 1


def test_a_process_that_has_ended_between_its_turns_is_started_again(
    busy: OrchestratorProcess,
) -> None:
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    (worker,) = busy.processes()
    worker.kill()
    worker.wait()
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    assert busy.processes() != [worker]
    assert len(busy.start_seconds) == 2
    assert busy.violations == set()


def test_nothing_is_left_of_a_stopped_process(busy: OrchestratorProcess) -> None:
    busy.run(b"cat", AMPLE)
    started = busy.processes()
    busy.stop()
    assert busy.processes() == []
    assert not any(process.is_running() for process in started)


def test_a_supervisor_that_does_not_answer_is_a_violation(tmp_path: Path) -> None:
    path = tmp_path / "stops_supervisor.py"
    path.write_text(
        "import os, signal\n"
        "class TaskOrchestrator:\n"
        "    def process_text(self, text):\n"
        "        if not isinstance(text, str):\n"
        "            raise ValueError(text)\n"
        "        os.kill(os.getppid(), signal.SIGSTOP)\n"
        "        return {'runtime': 0, 'anagram_counts': {}}\n"
    )
    process = OrchestratorProcess(path, supervisor_timeout=0.1)
    try:
        assert process.run(b"cat", AMPLE).status == Status.CRASHED
        assert process.violations == {"stops or kills its supervisor"}
    finally:
        process.stop()
