"""Monitors a run while its runner blocks: time, memory, CPU time, and the progress of reading."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from beam_pipeline.monitor.process_tree import Sample, TreeSampler
from beam_pipeline.monitor.read_progress import ProgressSnapshot, read_snapshot


@dataclass(frozen=True)
class Phase:
    """A part of a run, and how long it took in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class TimelinePoint:
    """The resource usage of a run at one time.

    Attributes:
      seconds: the time since the run began.
      bytes_read: the stored bytes of the input read so far; None if workers are on other machines.
      memory_bytes: the memory of all processes at this time.
      cpu_seconds: the CPU time of all processes so far.
      processes: the number of processes.
    """

    seconds: float
    bytes_read: int | None
    memory_bytes: int
    cpu_seconds: float
    processes: int


class RunMonitor:
    """Monitors one run in this process and its children, from its beginning to its end.

    Args:
      progress_folder: the folder to which readers write their progress, see
        `beam_pipeline.monitor.read_progress`; empty if they run on other machines.
      began: when the run began, in seconds since the epoch; by default when it is first monitored.
        The time before that is the phase "loading".
      interval: seconds between two samples. Taking one costs about 3 ms.
      max_points: the maximum number of points of the timeline, however long the run takes.

    Attributes:
      began, monitored, submitted, ended: when the run began, when it was first monitored, when the
        pipeline was given to the runner, and when the run had ended, in seconds since the epoch;
        the last two are None until then.
      progress: the progress of reading at the last sample.
      timeline: points in order of time.
      peak_process_bytes: the most memory that any single process had in a sample.
    """

    def __init__(
        self,
        progress_folder: str = "",
        *,
        began: float | None = None,
        interval: float = 0.5,
        max_points: int = 1000,
    ) -> None:
        self._progress_folder = progress_folder
        self._max_points = max_points
        self._samples_per_point = self._samples_in_last_point = 1
        self._cpu_seconds_before: float | None = None
        self._listener: Callable[[RunMonitor], None] | None = None
        self._sampler = TreeSampler(interval=interval, notify=self._on_sample)
        self._is_whole_run = began is None
        self.monitored = time.time()
        self.began = self.monitored if began is None else began
        self.submitted: float | None = None
        self.ended: float | None = None
        self.progress = ProgressSnapshot()
        self.timeline: list[TimelinePoint] = []
        self.peak_process_bytes = 0

    @contextlib.contextmanager
    def monitoring(self, listener: "Callable[[RunMonitor], None] | None" = None) -> Iterator[None]:
        """Takes samples inside the ``with`` block, which may be entered once.

        Args:
          listener: called with this monitor after each sample, by the thread that took it.
        """
        self._listener = listener
        self.monitored = time.time()
        if self._is_whole_run:
            self.began = self.monitored
        try:
            with self._sampler:
                yield
        finally:
            self.ended = time.time()

    def mark_submitted(self) -> None:
        """Records that the pipeline is built and submitted to its runner."""
        self.submitted = time.time()

    def take_sample(self) -> None:
        """Takes a sample now, besides those that are taken regularly."""
        self._sampler.take_sample()

    @property
    def seconds(self) -> float:
        """The time from the beginning to the end of the run, or until now."""
        return (self.ended or time.time()) - self.began

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of all processes."""
        return self.timeline[-1].cpu_seconds

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory that all processes together had in a sample."""
        return max(point.memory_bytes for point in self.timeline)

    def phases(self, *, failed: bool = False) -> tuple[Phase, ...] | None:
        """Divides the time of a run that has ended into phases.

        They are: loading the program, if the run began before it was monitored; building the
        pipeline; starting workers and listing files; reading, during which most runners also count;
        finishing, which is merging and writing, and on some runners counting too.

        Args:
          failed: whether the run has failed.

        Returns:
          The phases in order, or None if the run ended before its runner began.
        """
        if self.ended is None or self.submitted is None:
            return None
        progress = self.progress
        ends = [("loading", self.monitored)] if self.monitored > self.began else []
        ends.append(("building", self.submitted))
        if progress.first_read_at is not None and progress.last_read_at is not None:
            ends.append(("starting, listing", progress.listed_at or progress.first_read_at))
            ends.append(("reading", progress.last_read_at))
            ends.append(("failing" if failed else "finishing", self.ended))
        else:
            ends.append(("running", self.ended))
        begins = [self.began, *(end for _, end in ends)]
        return tuple(
            Phase(name, max(0.0, end - begin))
            for (name, end), begin in zip(ends, begins, strict=False)
        )

    def add_point(self, point: TimelinePoint) -> None:
        """Adds the latest point to the timeline.

        When the timeline is full, pairs of points are merged, and from then on each point stands
        for twice as many samples.
        """
        if self.timeline and self._samples_in_last_point < self._samples_per_point:
            self.timeline[-1] = _merge(self.timeline[-1], point)
            self._samples_in_last_point += 1
            return
        if len(self.timeline) == self._max_points:
            pairs = zip(self.timeline[::2], self.timeline[1::2], strict=True)
            self.timeline = [_merge(earlier, later) for earlier, later in pairs]
            self._samples_per_point *= 2
        self.timeline.append(point)
        self._samples_in_last_point = 1

    def _on_sample(self, sample: Sample) -> None:
        if self._cpu_seconds_before is None:
            self._cpu_seconds_before = sample.cpu_seconds
        del self._sampler.samples[1:-1]  # the timeline has what is needed of them
        self.peak_process_bytes = self._sampler.peak_process_bytes
        if self._progress_folder:
            self.progress = read_snapshot(self._progress_folder)
        self.add_point(
            TimelinePoint(
                self.monitored - self.began + sample.seconds,
                self.progress.bytes_read if self._progress_folder else None,
                sample.memory_bytes,
                sample.cpu_seconds - self._cpu_seconds_before,
                sample.processes,
            )
        )
        if self._listener is not None:
            self._listener(self)


def _merge(earlier: TimelinePoint, later: TimelinePoint) -> TimelinePoint:
    return replace(later, memory_bytes=max(earlier.memory_bytes, later.memory_bytes))
