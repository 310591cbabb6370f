"""A monitor sees a run as it was, its time, memory and reading, however long it takes."""

import itertools
import mmap
import time
from pathlib import Path

import pytest

from beam_pipeline.monitor.read_progress import ProgressSnapshot, ReadProgress, write_plan
from beam_pipeline.monitor.run_monitor import RunMonitor, TimelinePoint

# No sample is taken within so many seconds, other than on demand.
NEVER = 3600.0


def test_a_run_is_monitored_from_its_begin_to_its_end(tmp_path: Path) -> None:
    seen: list[int] = []
    monitor = RunMonitor(str(tmp_path), interval=NEVER)
    with monitor.monitoring(lambda monitor: seen.append(monitor.progress.bytes_read)):
        monitor.mark_submitted()
        write_plan(str(tmp_path), 1, 100)
        reader = ReadProgress(str(tmp_path))
        reader.add(40)
        held = mmap.mmap(-1, 50_000_000)  # from the system, not from Python's free memory
        held[::4096] = bytes(len(held[::4096]))
        monitor.take_sample()
        held.close()
        reader.add(60)
    assert seen == [point.bytes_read for point in monitor.timeline] == [0, 40, 100]
    assert (monitor.progress.files, monitor.progress.bytes) == (1, 100)
    first, second, last = monitor.timeline
    assert second.memory_bytes >= first.memory_bytes + 40_000_000
    assert last.memory_bytes < second.memory_bytes
    assert monitor.peak_memory_bytes == second.memory_bytes
    assert monitor.peak_process_bytes >= monitor.peak_memory_bytes
    assert first.cpu_seconds == 0 <= second.cpu_seconds <= last.cpu_seconds == monitor.cpu_seconds
    assert 0 <= first.seconds <= second.seconds <= last.seconds
    assert monitor.submitted is not None
    assert monitor.ended is not None
    assert monitor.began <= monitor.submitted <= monitor.ended
    assert monitor.seconds == monitor.ended - monitor.began


def ended_run(*, folder: str = "") -> RunMonitor:
    """A monitor of a run of ten seconds, the first of which went into building its pipeline."""
    monitor = RunMonitor(folder)
    monitor.began = monitor.monitored = 100.0
    monitor.submitted, monitor.ended = 101.0, 110.0
    return monitor


def test_phases_divide_the_time_of_a_run() -> None:
    monitor = ended_run(folder="somewhere")
    monitor.progress = ProgressSnapshot(
        7, 1, 7, listed_at=103.0, first_read_at=103.5, last_read_at=108.0
    )
    phases = monitor.phases()
    assert phases is not None
    assert [(phase.name, phase.seconds) for phase in phases] == [
        ("building", 1.0),
        ("starting, listing", 2.0),
        ("reading", 5.0),
        ("finishing", 2.0),
    ]
    assert sum(phase.seconds for phase in phases) == monitor.seconds
    assert [phase.name for phase in monitor.phases(failed=True) or ()][-1] == "failing"


def test_where_readers_publish_nothing_the_work_is_one_phase() -> None:
    assert [(phase.name, phase.seconds) for phase in ended_run().phases() or ()] == [
        ("building", 1.0),
        ("running", 9.0),
    ]


def test_what_came_before_it_was_monitored_is_part_of_a_run() -> None:
    monitor = RunMonitor(began=time.time() - 50, interval=NEVER)
    with monitor.monitoring():
        monitor.mark_submitted()
    phases = monitor.phases()
    assert phases is not None
    assert [phase.name for phase in phases] == ["loading", "building", "running"]
    assert phases[0].seconds >= 50
    assert sum(phase.seconds for phase in phases) == pytest.approx(monitor.seconds)
    assert monitor.timeline[0].seconds >= 50


def test_a_run_that_was_never_submitted_has_no_phases() -> None:
    monitor = RunMonitor()
    monitor.ended = monitor.began + 1
    assert monitor.phases() is None


@pytest.mark.parametrize("number", [1, 50, 51, 253])
def test_the_timeline_of_a_long_run_stays_short_and_keeps_its_peak(number: int) -> None:
    max_points = 50
    monitor = RunMonitor(max_points=max_points)
    for second in range(number):
        memory = 999 if second == number // 3 else 100
        monitor.add_point(TimelinePoint(float(second), second, memory, second / 2, 1))
    assert max_points // 2 <= len(monitor.timeline) <= max_points or number < max_points // 2
    assert monitor.timeline[-1].seconds == number - 1
    assert monitor.peak_memory_bytes == 999
    seconds = [point.seconds for point in monitor.timeline]
    assert seconds == sorted(seconds)
    steps = {after - before for before, after in itertools.pairwise(seconds[:-1])}
    assert len(steps) <= 1  # evenly spread


def test_a_failed_run_has_an_end_too() -> None:
    monitor = RunMonitor(interval=NEVER)
    with pytest.raises(ZeroDivisionError), monitor.monitoring():
        raise ZeroDivisionError
    assert monitor.ended is not None
    assert monitor.timeline[-1].bytes_read is None
