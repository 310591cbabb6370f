"""A watched run is seen as it was: its time, memory and reading, however long it takes."""

import itertools
import mmap
import time
from pathlib import Path

import pytest

from beam_pipeline.monitor.read_progress import ProgressSnapshot, ReadProgress, write_plan
from beam_pipeline.monitor.watch import INTERVAL, MAX_POINTS, RunMonitor, monitoring
from beam_pipeline.report.model import TimelinePoint


def test_a_run_is_watched_from_its_begin_to_its_end(tmp_path: Path) -> None:
    seen: list[int] = []
    with monitoring(str(tmp_path), lambda watch: seen.append(watch.level.bytes_read)) as watch:
        watch.mark_submitted()
        write_plan(str(tmp_path), 1, 100)
        gauge = ReadProgress(str(tmp_path))
        gauge.add(40)
        held = mmap.mmap(-1, 50_000_000)  # fresh from the system, not from Python's free memory
        held[::4096] = bytes(len(held[::4096]))
        time.sleep(2.5 * INTERVAL)
        gauge.add(60)
        held.close()
    assert len(watch.points) == len(seen) >= 4
    assert seen[0] == 0
    assert 40 in seen
    assert seen[-1] == watch.points[-1].bytes_read == watch.level.bytes_read == 100
    assert watch.peak_memory_bytes >= watch.points[0].memory_bytes + 40_000_000
    assert watch.peak_process_bytes >= watch.peak_memory_bytes
    assert watch.points[-1].seconds <= watch.seconds <= watch.points[-1].seconds + 1
    assert 0 <= watch.cpu_seconds < 2


def test_phases_are_the_run_cut_into_parts() -> None:
    watch = RunMonitor("somewhere")
    watch.began, watch.submitted, watch.ended = 100.0, 101.0, 110.0
    watch.level = ProgressSnapshot(7, 1, 7, planned=103.0, first=103.5, last=108.0)
    phases = watch.phases()
    assert phases is not None
    assert [phase.seconds for phase in phases] == [1.0, 2.0, 5.0, 2.0]
    assert sum(phase.seconds for phase in phases) == watch.seconds


def test_without_a_gauge_the_work_is_one_phase() -> None:
    watch = RunMonitor()
    watch.began, watch.submitted, watch.ended = 100.0, 101.0, 110.0
    assert [(p.name, p.seconds) for p in watch.phases() or ()] == [
        ("building", 1.0),
        ("running", 9.0),
    ]


def test_a_run_that_never_began_to_work_has_no_phases() -> None:
    watch = RunMonitor()
    watch.ended = watch.began + 1
    assert watch.phases() is None


@pytest.mark.parametrize("number", [1, MAX_POINTS, MAX_POINTS + 1, 5 * MAX_POINTS + 3])
def test_a_long_run_keeps_few_points_and_its_peak(number: int) -> None:
    watch = RunMonitor()
    for second in range(number):
        memory = 999 if second == number // 3 else 100
        watch.add(TimelinePoint(float(second), second, memory, second / 2, 1))
    assert MAX_POINTS // 2 <= len(watch.points) <= MAX_POINTS or number < MAX_POINTS // 2
    assert watch.points[-1].seconds == number - 1
    assert watch.peak_memory_bytes == 999
    seconds = [point.seconds for point in watch.points]
    assert seconds == sorted(seconds)
    steps = {after - before for before, after in itertools.pairwise(seconds[:-1])}
    assert len(steps) <= 1  # evenly spread


def test_a_failed_run_has_an_end_too() -> None:
    with pytest.raises(ZeroDivisionError), monitoring() as watch:
        raise ZeroDivisionError
    assert watch.ended is not None
    assert watch.points[-1].bytes_read is None
