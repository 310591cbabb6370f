"""Measures the memory, CPU time and bytes read of a process and all its descendants."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import psutil


class Sample(NamedTuple):
    """The resource usage of a tree of processes at one time.

    Attributes:
      seconds: the time since the first sample.
      memory_bytes: the resident memory of all processes; shared pages count for each.
      cpu_seconds: the CPU time of all processes so far, including those that have ended.
      read_bytes: the bytes that all of them have read so far, from files and pipes, cached or not.
      processes: the number of processes.
    """

    seconds: float
    memory_bytes: int
    cpu_seconds: float
    read_bytes: int
    processes: int


class TreeSampler:
    """Samples a process and its descendants from a thread, inside a ``with`` block.

    Args:
      pid: the root of the tree; by default this process.
      interval: seconds between two samples.
      notify: called with each sample by the thread that took it.

    Attributes:
      samples: in order of time. The first is taken when the block begins, the last when it ends.
      peak_process_bytes: the most memory that any single process had in a sample.
      unreadable: processes whose memory or CPU time the system did not show. They are not included
        in any figure.
    """

    def __init__(
        self,
        pid: int | None = None,
        interval: float = 0.1,
        notify: Callable[[Sample], None] | None = None,
    ):
        self._root = psutil.Process(pid)
        self._interval = interval
        self._notify = notify
        self._stop = threading.Event()
        self._sampling = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="tree-sampler", daemon=True)
        # The CPU seconds and bytes read of each process, when it was last seen.
        self._used: dict[psutil.Process, tuple[float, int]] = {}
        self._began = 0.0
        self._cpu_seconds = 0.0
        self.samples: list[Sample] = []
        self.peak_process_bytes = 0
        self.unreadable: set[psutil.Process] = set()

    def __enter__(self) -> "TreeSampler":
        self._began = time.monotonic()
        self.take_sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.take_sample()

    @property
    def peak_bytes(self) -> int:
        """The most memory that the whole tree had in a sample."""
        return max(sample.memory_bytes for sample in self.samples)

    @property
    def growth_bytes(self) -> int:
        """By how much the peak exceeds the first sample."""
        return self.peak_bytes - self.samples[0].memory_bytes

    @property
    def cpu_seconds(self) -> float:
        """Processor time spent between the first and the last sample."""
        return self.samples[-1].cpu_seconds - self.samples[0].cpu_seconds

    @property
    def processes(self) -> set[psutil.Process]:
        """All processes that were in a sample."""
        return set(self._used)

    def take_sample(self) -> None:
        """Takes a sample now, besides those that are taken regularly."""
        with self._sampling:
            self._take_sample()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.take_sample()

    def _take_sample(self) -> None:
        memory = processes = 0
        with_ended_children = 0.0
        for process in self._tree():
            try:
                with process.oneshot():
                    resident = process.memory_info().rss
                    cpu = process.cpu_times()
                read = _read_chars(process)
            except psutil.AccessDenied:
                self.unreadable.add(process)
                continue
            except psutil.Error:
                continue  # it has ended meanwhile
            memory += resident
            processes += 1
            self.peak_process_bytes = max(self.peak_process_bytes, resident)
            own = cpu.user + cpu.system
            with_ended_children += own + cpu.children_user + cpu.children_system
            self._used[process] = (own, read)
        if processes or not self.samples:
            used = self._used.values()
            # The system adds the CPU time of a child to its parent's once the parent has waited for
            # it, however short-lived it was. For other children, the last sample is used.
            last_seen = sum(cpu for cpu, _ in used)
            self._cpu_seconds = max(self._cpu_seconds, with_ended_children, last_seen)
            self.samples.append(
                Sample(
                    time.monotonic() - self._began,
                    memory,
                    self._cpu_seconds,
                    sum(read for _, read in used),
                    processes,
                )
            )
            if self._notify is not None:
                self._notify(self.samples[-1])

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []


def _read_chars(process: psutil.Process) -> int:
    """Returns the bytes that a process has read; 0 if the system does not show them."""
    try:
        return process.io_counters().read_chars if _HAS_IO_COUNTERS else 0
    except psutil.AccessDenied:
        return 0


_HAS_IO_COUNTERS = hasattr(psutil.Process, "io_counters")
