"""A command's time, memory and processor time are those of all it starts."""

import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from beam_pipeline.benchmark.throughput.trial import Trial, measure
from beam_pipeline.monitor.process_tree import Sample

#: Seconds that no command here needs, not even on a busy machine.
AMPLE = 600
SIZE = 200_000_000
#: Keeps memory until the file that it is given appears, and has used a processor for 0.3 s.
CHILD = f"""
import os, sys, time
memory = bytearray(b"x") * {SIZE}
open(sys.argv[1], "x").close()
while time.process_time() < 0.3 or not os.path.exists(sys.argv[2]):
    pass
"""


def python(code: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-c", code, *arguments]


def test_memory_and_time_of_children_count(tmp_path: Path) -> None:
    filled, seen = tmp_path / "filled", tmp_path / "seen"
    was_filled = False

    def on_sample(sample: Sample) -> None:
        nonlocal was_filled
        if was_filled:  # when this sample was begun
            seen.touch()
        was_filled = filled.exists()

    child = python(CHILD, str(filled), str(seen))
    trial = Trial("section", "name", python(f"import subprocess; subprocess.run({child!r})"), 1)
    measured = measure(trial, AMPLE, on_sample=on_sample)
    assert measured.error == ""
    assert measured.peak_bytes > SIZE
    assert SIZE < measured.peak_process_bytes < measured.peak_bytes
    assert measured.cpu_seconds >= 0.3 - 0.02  # the clock's resolution
    assert measured.seconds > 0


def test_a_failure_is_told_in_a_line() -> None:
    trial = Trial("section", "name", python("raise SystemExit('no luck')"), 1)
    assert measure(trial, AMPLE).error == "exit code 1: no luck"


def test_a_command_that_takes_too_long_is_stopped_with_its_children() -> None:
    before = set(psutil.Process().children(recursive=True))
    code = "import subprocess; subprocess.run(['sleep', 'infinity'])"
    measured = measure(Trial("section", "name", python(code), 1), 1)
    assert measured.error == "stopped after 1 s"
    assert set(psutil.Process().children(recursive=True)) <= before


def test_what_is_missing_is_named() -> None:
    assert measure(Trial("section", "name", [], 1, "java"), 1).error == "missing: java"


def test_a_part_tells_its_own_time() -> None:
    trial = Trial("section", "name", python("print('{\"seconds\": 7}')"), 1, is_self_timed=True)
    assert measure(trial, AMPLE).seconds == 7
