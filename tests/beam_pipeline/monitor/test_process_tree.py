"""Samples are of the whole process tree, those who have ended included."""

import os
import subprocess
import sys
import time

from beam_pipeline.monitor.process_tree import Sample, TreeSampler

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


def test_there_are_samples_from_begin_to_end() -> None:
    with TreeSampler(interval=0.02) as sampler:
        time.sleep(0.3)
    assert len(sampler.samples) > 5
    assert sampler.samples[0].seconds < 0.1
    assert sampler.samples[-1].seconds >= 0.3
    assert [sample.seconds for sample in sampler.samples] == sorted(
        sample.seconds for sample in sampler.samples
    )


def test_memory_between_begin_and_end_is_seen() -> None:
    with TreeSampler(interval=0.02) as sampler:
        memory = bytearray(b"x") * 150_000_000
        time.sleep(0.2)
        del memory
    assert sampler.growth_bytes > 140_000_000
    assert sampler.samples[-1].memory_bytes < sampler.peak_bytes - 100_000_000
    assert sampler.peak_process_bytes == sampler.peak_bytes


def test_children_and_their_children_count() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with TreeSampler(interval=0.02) as sampler:
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        time.sleep(1)
        child.communicate(b"\n")
    assert max(sample.processes for sample in sampler.samples) == 3
    assert sampler.peak_process_bytes < sampler.peak_bytes


def test_processor_time_of_children_that_no_sample_saw_counts() -> None:
    with TreeSampler(interval=10) as sampler:
        subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert sampler.cpu_seconds >= 0.29


def test_processor_time_of_before_does_not_count() -> None:
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    with TreeSampler(interval=0.02) as sampler:
        time.sleep(0.1)
    assert sampler.cpu_seconds < 0.2


def test_another_process_can_be_watched_until_it_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", BUSY])
    with TreeSampler(child.pid, interval=0.02) as sampler:
        child.wait()
    assert 0.2 < sampler.cpu_seconds < 1
    assert sampler.peak_bytes > 1_000_000
    assert os.getpid() != child.pid


CHILD = """
import time
held = bytearray(60_000_000)
end = time.process_time() + 0.5
while time.process_time() < end:
    pass
time.sleep(60)
"""


def test_children_count_while_they_live_and_their_time_after() -> None:
    told: list[Sample] = []
    with TreeSampler(interval=0.05, notify=told.append) as sampler:
        child = subprocess.Popen([sys.executable, "-c", CHILD])
        deadline = time.monotonic() + 60
        while told[-1].cpu_seconds - told[0].cpu_seconds < 0.5 and time.monotonic() < deadline:
            time.sleep(0.05)
        child.kill()
        child.wait()
    assert told == sampler.samples
    assert max(sample.processes for sample in told) == 1 + told[0].processes
    assert told[-1].processes == told[0].processes
    assert sampler.growth_bytes >= 60_000_000
    assert sampler.peak_process_bytes >= 60_000_000
    assert sampler.cpu_seconds >= 0.5
    seconds = [sample.seconds for sample in told]
    assert seconds == sorted(seconds)
    assert seconds[-1] > 0.5
