"""The processes of an orchestrator run in its own turn only, whatever they do to go on."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from beam_pipeline.benchmark.compare.cgroup import Cgroup
from beam_pipeline.benchmark.compare.orchestrator_process import OrchestratorProcess
from beam_pipeline.benchmark.compare.run import Status

#: Seconds that no run needs, not even on a busy machine.
AMPLE = 600
ENTRY = """
import ctypes, os, signal, socket, sys, threading, time

class TaskOrchestrator:
    def __init__(self):
        self.answer = {"runtime": 0, "anagram_counts": {}}
    def process_text(self, text):
        if not isinstance(text, str):
            raise ValueError(text)
        return self.work(text) or self.answer
    def work(self, text):
"""
BUSY_THREAD = """
        def spin():
            while True:
                pass
        threading.Thread(target=spin, daemon=True).start()
"""
#: Forks again and again, each process a session of its own, until it is killed or 60 s are over.
FORK_CHAIN = """
        if not os.fork():
            until = time.time() + 60
            while time.time() < until:
                if os.fork():
                    os._exit(0)
                os.setsid()
            os._exit(0)
"""

Make = Callable[..., OrchestratorProcess]


@pytest.fixture(params=["control group", "signals"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes orchestrators, with and without a control group, and stops them at the end."""
    use_cgroup = request.param == "control group"
    if use_cgroup:
        probe = Cgroup.create()
        if probe is None:
            pytest.skip("needs a control group, version 2, that can be written")
        probe.remove()
    made: list[OrchestratorProcess] = []

    def make_one(work: str, name: str = "entry", **options: Any) -> OrchestratorProcess:
        path = tmp_path / f"{name}.py"
        path.write_text(ENTRY + (work or "\n        pass\n"))
        made.append(OrchestratorProcess(path, use_cgroup=use_cgroup, **options))
        return made[-1]

    yield make_one
    for one in made:
        one.stop()


def cpu_seconds(process: OrchestratorProcess) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in process.processes())


def test_a_process_is_paused_between_its_turns(make: Make) -> None:
    busy = make(BUSY_THREAD)
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    (worker,) = busy.processes()
    before = cpu_seconds(busy)
    time.sleep(0.2)
    assert cpu_seconds(busy) == before
    assert not busy.was_disturbed()
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    assert busy.processes() == [worker]
    assert len(busy.start_seconds) == len(busy.start_cpu_seconds) == 1


def test_a_process_that_has_ended_between_its_turns_is_started_again(make: Make) -> None:
    busy = make(BUSY_THREAD)
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    (worker,) = busy.processes()
    worker.kill()
    worker.wait()
    assert busy.run(b"cat", AMPLE).status == Status.DONE
    assert busy.processes() != [worker]
    assert len(busy.start_seconds) == 2
    assert busy.violations == set()


def test_nothing_is_left_of_a_stopped_process(make: Make) -> None:
    busy = make(BUSY_THREAD)
    busy.run(b"cat", AMPLE)
    started = busy.processes()
    busy.stop()
    assert busy.processes() == []
    assert not any(process.is_running() for process in started)
    assert busy.usage.cpu_seconds > 0 and busy.usage.peak_process_bytes > 1e7
    assert busy.violations == set()


@pytest.mark.slow
def test_a_supervisor_that_does_not_answer_is_a_violation(make: Make) -> None:
    process = make("\n        os.kill(os.getppid(), signal.SIGSTOP)\n", supervisor_timeout=0.5)
    assert process.run(b"cat", AMPLE).status == Status.CRASHED
    assert process.violations == {"stops or kills its supervisor"}


def test_a_start_that_takes_too_long_is_stopped(make: Make, tmp_path: Path) -> None:
    process = make("", start_timeout=0.5)
    (tmp_path / "entry.py").write_text("import time\ntime.sleep(1000)\nTaskOrchestrator = 1\n")
    process.run(b"cat", AMPLE)
    assert process.cannot_start == "not ready after 0.5 s"
    assert process.processes() == []


@pytest.mark.slow
def test_who_forks_as_fast_as_possible_is_paused_and_ended(make: Make, tmp_path: Path) -> None:
    """Neither a list of processes nor one signal for a group of them would find it."""
    process = make(FORK_CHAIN)
    assert process.run(b"cat", AMPLE).status == Status.DONE
    assert process.violations == set()
    before = process.processes()
    assert len(before) > 1
    time.sleep(0.2)
    assert process.processes() == before  # no generation has followed
    process.stop()
    time.sleep(0.1)
    cwd = f"{tmp_path}"
    assert not [one for one in psutil.process_iter() if cwd in " ".join(_command(one))]
    assert process.violations == set()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
def test_a_paused_process_that_is_woken_or_ended_is_noticed(make: Make) -> None:
    """Whoever had the turn is to blame: all others are paused."""
    process = make(BUSY_THREAD)
    for number in (signal.SIGCONT, signal.SIGKILL):
        assert process.run(b"cat", AMPLE).status == Status.DONE
        (worker,) = process.processes()
        before = cpu_seconds(process)
        worker.send_signal(number)
        if process.use_cgroup and number == signal.SIGCONT:
            time.sleep(0.2)
            assert cpu_seconds(process) == before  # it sleeps on
            assert not process.was_disturbed()
        else:
            if number == signal.SIGKILL:
                worker.wait()
            while worker.is_running() and worker.status() == psutil.STATUS_STOPPED:
                time.sleep(0.01)
            assert process.was_disturbed()
            assert process.processes() == []
            assert process.violations == set()


@pytest.fixture(scope="module")
def evaluates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrchestratorProcess]:
    """An orchestrator that answers what its text evaluates to."""
    path = tmp_path_factory.mktemp("evaluates") / "entry.py"
    path.write_text(f"{ENTRY}        return eval(text)\n")
    process = OrchestratorProcess(path)
    yield process
    process.stop()


@pytest.mark.parametrize(
    "answer",
    [
        '{"runtime": 10 ** 400, "anagram_counts": {}}',
        '{"runtime": 1e400, "anagram_counts": {}}',
        '{"runtime": float("nan"), "anagram_counts": {}}',
        '{"runtime": -1, "anagram_counts": {}}',
        '{"runtime": True, "anagram_counts": {}}',
        '{"runtime": 1, "anagram_counts": {"cat": 1 << 64}}',
        '{"runtime": 1, "anagram_counts": {"cat": 10 ** 5000}}',
        '{"runtime": 1, "anagram_counts": {"\x1b[2J": None}}',
        '{"runtime": 1, "anagram_counts": [1]}',
        '{"runtime": 1}',
        "[[1]]",
        "{1, 2}",
        '{"runtime": 1, "anagram_counts": {"x" * 20_000_000: 1}}',
    ],
)
def test_an_answer_of_another_form_is_a_failed_run(
    answer: str, evaluates: OrchestratorProcess
) -> None:
    run = evaluates.run(answer.encode(), AMPLE)
    assert run.status == Status.FAILED
    assert "answer" in run.error and len(run.error) < 400 and run.error.isprintable()
    assert run.reported_ms == 0 and run.counts == {}
    after = evaluates.run(b'{"runtime": 1, "anagram_counts": {"\\ud800": 1}}', AMPLE)
    assert after.counts == {"\ud800": 1}, after.error  # a word, to be judged as any other


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        r"b'\xff' * 8",
        r"b'\0' * 7 + b'\x02[]'",
        r"b'\0' * 6 + b'\x40\x00' + b'[' * 0x4000",
        r"b'\0' * 7 + b'\x01\xff'",
    ],
)
def test_nonsense_on_the_socket_is_a_failed_run(
    data: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The orchestrator finds the socket that its worker answers on, and writes to it itself."""
    path = tmp_path / "entry.py"
    path.write_text(
        f"{ENTRY}"
        "        for number in range(3, 30):\n"
        "            try:\n"
        "                socket.socket(fileno=os.dup(number)).sendall(\n"
        f"                    {data})\n"
        "            except OSError:\n"
        "                pass\n"
    )
    process = OrchestratorProcess(path)
    request.addfinalizer(process.stop)
    run = process.run(b"cat", AMPLE)
    assert run.status == Status.FAILED
    assert run.error.startswith("not a proper answer: ")


def test_an_exception_is_told_with_its_place(make: Make) -> None:
    process = make("\n        return undefined_name\n")
    run = process.run(b"cat", AMPLE)
    assert run.status == Status.FAILED
    assert run.error == "NameError: name 'undefined_name' is not defined (entry.py:13)"
    assert process.violations == set()


@pytest.mark.slow
def test_what_is_hidden_is_measured_all_the_same(make: Make, tmp_path: Path) -> None:
    """The process says that nobody may look at it, and so does a child that nobody waits for."""
    process = make(
        """
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
        memory = bytearray(b"x") * 200_000_000
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
"""
    )
    run = process.run(b"cat", AMPLE)
    assert run.status == Status.DONE
    assert run.peak_bytes > run.peak_process_bytes - 1 > 200_000_000
    assert run.cpu_seconds > 0.29
    process.stop()
    assert process.usage.cpu_seconds > run.cpu_seconds
    assert process.usage.peak_process_bytes > 200_000_000


@pytest.mark.slow
def test_processes_that_are_over_at_once_are_accounted(make: Make) -> None:
    """Each is too short for any sample; who does not wait for them leaves them to the group."""
    process = make(
        """
        for _ in range(40):
            if not os.fork():
                if not os.fork():
                    until = time.process_time() + 0.01
                    while time.process_time() < until:
                        pass
                os._exit(0)
        for _ in range(40):
            os.wait()
        time.sleep(0.5)
"""
    )
    assert process.run(b"cat", AMPLE).cpu_seconds > 0.3


@pytest.mark.slow
def test_a_process_that_leaves_its_group_is_a_violation_and_ends(make: Make) -> None:
    process = make(
        """
        for line in open("/proc/self/cgroup"):
            if "anagram-benchmark" in line:
                import pathlib
                name = line.strip().rpartition("/")[2]
                (group,) = pathlib.Path("/sys/fs/cgroup").rglob(name)
                if not os.fork():
                    (group.parent / "cgroup.procs").write_text("0")
                    time.sleep(60)
                time.sleep(0.5)
"""
    )
    if not process.use_cgroup:
        pytest.skip("there is no group to leave")
    assert process.run(b"cat", AMPLE).status == Status.DONE
    assert process.violations == {"has processes outside of its control group"}
    assert process.processes() == []


@pytest.mark.slow
def test_if_the_comparison_is_killed_everything_ends(make: Make, tmp_path: Path) -> None:
    """Paused processes, which nobody would ever wake, included."""
    process = make(BUSY_THREAD)
    process.run(b"cat", AMPLE)
    (worker,) = process.processes()
    supervisor = worker.parent()
    assert supervisor is not None
    supervisor.send_signal(signal.SIGTERM)  # what the system sends it then
    while worker.is_running() and worker.status() != "zombie":
        time.sleep(0.01)
    process.stop()
    assert not [name for name in os.listdir(tmp_path) if "anagram-benchmark" in name]
