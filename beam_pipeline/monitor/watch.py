"""Watches a run from outside while its runner blocks: time, memory, and how far reading is."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from beam_pipeline.monitor.process_tree import Sample, TreeSampler
from beam_pipeline.monitor.read_progress import ProgressSnapshot, read_snapshot

#: Seconds between two looks. One takes some 3 ms: less than 1 % of one core.
INTERVAL = 0.5
#: However long a run takes, there are no more points of it.
MAX_POINTS = 1000


@dataclass(frozen=True)
class Phase:
    """A part of a run, in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class TimelinePoint:
    """What a run used up to one moment, in seconds from its begin.

    Attributes:
      bytes_read: of the input, as stored; None where the runner cannot tell.
      memory_bytes: of all processes at this moment.
    """

    seconds: float
    bytes_read: int | None
    memory_bytes: int
    cpu_seconds: float
    processes: int


class RunMonitor:
    """What was seen of a run.

    Args:
      folder: where the run's readers tell how far they are, see
        `beam_pipeline.monitor.read_progress`; empty where
        they run on other machines.

    Attributes:
      began, submitted, ended: when the run began, when its runner took over, and when its
        result stood, in seconds since the epoch.
      level: how far reading was when last seen.
      points: in order of time.
    """

    def __init__(self, folder: str = "") -> None:
        self.folder = folder
        self.began = time.time()
        self.submitted: float | None = None
        self.ended: float | None = None
        self.level = ProgressSnapshot()
        self.points: list[TimelinePoint] = []
        self.peak_process_bytes = 0
        self._each = self._in_last = 1

    @property
    def seconds(self) -> float:
        """From begin to end, or until now."""
        return (self.ended or time.time()) - self.began

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all processes."""
        return self.points[-1].cpu_seconds

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory that all processes together had at any point."""
        return max(point.memory_bytes for point in self.points)

    def mark_submitted(self) -> None:
        """The pipeline is built: now its runner works."""
        self.submitted = time.time()

    def add(self, point: TimelinePoint) -> None:
        """Adds the latest point. When there are too many, two become one, and so from then on."""
        if self.points and self._in_last < self._each:
            self.points[-1] = _merged(self.points[-1], point)
            self._in_last += 1
            return
        if len(self.points) == MAX_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [_merged(earlier, later) for earlier, later in pairs]
            self._each *= 2
        self.points.append(point)
        self._in_last = 1

    def phases(self, *, failed: bool = False) -> tuple[Phase, ...] | None:
        """The parts of the run that has ended; None if it has not come far enough for them.

        They are: building the pipeline; starting workers and listing files; reading, during
        which most runners count what is read; finishing, that is merging and writing, and
        counting what has not been counted yet.
        """
        level = self.level
        if self.ended is None or self.submitted is None:
            return None
        marks = [("building", self.submitted)]
        if level.first is not None and level.last is not None:
            marks.append(("starting, listing", level.planned or level.first))
            marks.append(("reading", level.last))
            marks.append(("failing" if failed else "finishing", self.ended))
        else:
            marks.append(("running", self.ended))
        before = [self.began, *(at for _, at in marks)]
        return tuple(
            Phase(name, max(0.0, at - begin))
            for (name, at), begin in zip(marks, before, strict=False)
        )


def _merged(earlier: TimelinePoint, later: TimelinePoint) -> TimelinePoint:
    return replace(later, memory_bytes=max(earlier.memory_bytes, later.memory_bytes))


@contextlib.contextmanager
def monitoring(
    folder: str = "", listener: Callable[[RunMonitor], None] | None = None
) -> Iterator[RunMonitor]:
    """Watches this process and its children inside the ``with`` block.

    Args:
      folder: see `RunMonitor`.
      listener: called from another thread whenever something new is known.
    """
    watch = RunMonitor(folder)
    cpu_before: list[float] = []

    def note(sample: Sample) -> None:
        cpu_before.append(sample.cpu_seconds)
        del sampler.samples[1:-1], cpu_before[1:]  # the points are enough
        if folder:
            watch.level = read_snapshot(folder)
        watch.add(
            TimelinePoint(
                sample.seconds,
                watch.level.bytes_read if folder else None,
                sample.memory_bytes,
                sample.cpu_seconds - cpu_before[0],
                sample.processes,
            )
        )
        if listener is not None:
            listener(watch)

    sampler = TreeSampler(interval=INTERVAL, notify=note)
    try:
        with sampler:
            yield watch
    finally:
        watch.ended = time.time()
        watch.peak_process_bytes = sampler.peak_process_bytes
