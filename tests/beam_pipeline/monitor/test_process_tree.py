"""Samples are of the whole tree of processes, including those that have ended.

No test waits for the sampler's own thread, except the one about it: samples are taken on demand.
"""

import mmap
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from beam_pipeline.monitor.process_tree import Sample, TreeSampler
from tests.support.cli import environment

# No sample is taken within so many seconds, other than on demand.
NEVER = 3600.0
# A process that has hung would be noticed after so many seconds.
HANG = 120.0
# Bytes of memory of a process that hides.
SIZE = 200_000_000
# Spends processor time when it has read a line, tells when it is done, and ends at the next line.
CHILD = """
import sys, time
held = bytearray(b"x") * 60_000_000
print("ready", flush=True)
sys.stdin.readline()
while time.process_time() < 0.5: pass
print("done", flush=True)
sys.stdin.readline()
"""
# Somewhat more than the tests ask for, as the system counts processor time in ticks.
BUSY = "import time\nwhile time.process_time() < 0.3: pass"


class Child:
    """A process that does one step after the other, when it is asked to."""

    def __init__(self, code: str):
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def wait_for_line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()


@contextmanager
def running(code: str) -> Iterator[Child]:
    child = Child(code)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate(timeout=HANG)


def test_samples_are_taken_regularly_and_at_begin_and_end() -> None:
    notified: list[Sample] = []
    enough = threading.Event()

    def notify(sample: Sample) -> None:
        notified.append(sample)
        if len(notified) == 5:
            enough.set()

    with TreeSampler(interval=0.001, notify=notify) as sampler:
        assert len(sampler.samples) >= 1
        assert enough.wait(HANG)
    assert notified == sampler.samples
    assert len(sampler.samples) >= 6
    seconds = [sample.seconds for sample in sampler.samples]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0


def test_without_a_regular_sample_there_are_still_begin_and_end() -> None:
    with TreeSampler(interval=NEVER) as sampler:
        assert len(sampler.samples) == 1
    assert len(sampler.samples) == 2


def test_memory_that_is_gone_at_the_end_is_in_the_peak() -> None:
    with TreeSampler(interval=NEVER) as sampler:
        memory = mmap.mmap(-1, 150_000_000)  # from the system, not from Python's free memory
        memory[::4096] = bytes(len(memory[::4096]))
        sampler.take_sample()
        memory.close()
    assert sampler.growth_bytes > 140_000_000
    assert sampler.samples[-1].memory_bytes < sampler.peak_bytes - 100_000_000
    assert sampler.peak_process_bytes == sampler.peak_bytes


def test_children_and_their_children_count() -> None:
    code = (
        "import subprocess, sys;"
        "subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    )
    with TreeSampler(interval=NEVER) as sampler, running(code) as child:
        child.wait_for_line()
        sampler.take_sample()
        child.go_on()
        child.process.communicate(timeout=HANG)
    before, during, after = (sample.processes for sample in sampler.samples)
    assert (during - before, after - before) == (2, 0)
    assert sampler.peak_process_bytes < sampler.peak_bytes


def test_processor_time_of_children_that_no_sample_saw_counts() -> None:
    with TreeSampler(interval=NEVER) as sampler:
        subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert sampler.cpu_seconds >= 0.25


def test_processor_time_of_before_does_not_count() -> None:
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    with TreeSampler(interval=NEVER) as sampler:
        assert sampler.samples[0].cpu_seconds >= 0.25
    assert sampler.cpu_seconds < 0.2


def test_another_process_can_be_sampled_until_it_has_ended() -> None:
    with running(CHILD) as child:
        child.wait_for_line()
        with TreeSampler(child.process.pid, interval=NEVER) as sampler:
            child.go_on()
            child.wait_for_line()
            sampler.take_sample()
            child.go_on()
            child.process.communicate(timeout=HANG)
    assert len(sampler.samples) == 2  # none of a process that is gone
    assert sampler.samples[-1].cpu_seconds >= 0.45
    assert sampler.peak_bytes >= 60_000_000
    assert {process.pid for process in sampler.processes} == {child.process.pid}


def test_children_count_while_they_live_and_their_time_afterwards() -> None:
    with TreeSampler(interval=NEVER) as sampler:
        with running(CHILD) as child:
            child.wait_for_line()
            child.go_on()
            child.wait_for_line()
            sampler.take_sample()
        sampler.take_sample()
    before, during, after, _ = sampler.samples
    assert during.processes == before.processes + 1
    assert after.processes == before.processes
    assert sampler.growth_bytes >= 60_000_000
    assert sampler.peak_process_bytes >= 60_000_000
    assert during.cpu_seconds - before.cpu_seconds >= 0.45
    assert after.cpu_seconds >= during.cpu_seconds
    assert after.memory_bytes < during.memory_bytes


#: Measures a child that has asked the system to hide it, as an ordinary user.
HIDING = f"""
import ctypes, os, signal
from beam_pipeline.monitor.process_tree import TreeSampler

if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
told, tell = os.pipe()
child = os.fork()
if not child:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    memory = bytearray(b"x") * {SIZE}
    os.write(tell, b".")
    while memory:
        signal.pause()
os.read(told, 1)
with TreeSampler() as sampler:
    pass
os.kill(child, signal.SIGKILL)
assert sampler.unreadable == set()
print(sampler.peak_process_bytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_a_process_that_hides_is_measured_all_the_same() -> None:
    """What it reads cannot be seen then, but by the superuser; its memory can."""
    finished = subprocess.run(
        [sys.executable, "-c", HIDING], capture_output=True, text=True, env=environment()
    )
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) > SIZE
