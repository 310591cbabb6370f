"""A sampled tree of processes has the memory and time that its processes had."""

import subprocess
import sys
import time

from beam_pipeline.measure import Sample, TreeSampler

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
