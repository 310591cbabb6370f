"""The system's accounting of processes, which does not depend on when they are sampled."""

import contextlib
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

# The unit of `ru_maxrss` in bytes.
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
# By how much the CPU time in the system's final accounting may exceed the sum of all turns: for the
# end of each process, and the resolution of the clock.
_SHARE, _SECONDS = 1.1, 1.0


class Usage:
    """The processor time and memory of an orchestrator's processes, known when they have ended.

    Attributes:
      cpu_seconds: the CPU time of all processes, including those too short to be sampled.
      peak_process_bytes: the most memory that any of them had at any time.
      ended: the CPU time of the last start, in seconds; None while it is running.
    """

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.peak_process_bytes = 0
        self.ended: float | None = None

    def add(self, used: resource.struct_rusage) -> None:
        """Adds what a supervisor and all processes below it have used."""
        self.ended = used.ru_utime + used.ru_stime
        self.cpu_seconds += self.ended
        self.peak_process_bytes = max(self.peak_process_bytes, used.ru_maxrss * _MAXRSS_UNIT)

    def of_tree(self, root: int, below: Iterable[int]) -> float:
        """Returns the processor time of a process, all below it, and their ended children."""
        if self.ended is not None:
            return self.ended
        total = 0.0
        for pid in (root, *below):
            with contextlib.suppress(psutil.Error):
                total += sum(psutil.Process(pid).cpu_times()[:4])
        return total

    def exceeds(self, seen: float) -> bool:
        """Tells whether the last start has used much more processor time than was seen (s)."""
        return self.ended is not None and self.ended > _SHARE * seen + _SECONDS


def reset_peak_memory(pids: Iterable[int]) -> None:
    """Lets `peak_memory` begin anew, for the processes where this is permitted."""
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_memory(pids: Iterable[int]) -> int:
    """Returns the most memory that any of some processes has had, in bytes; 0 if unknown."""
    most = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
                if line.startswith(b"VmHWM:"):
                    most = max(most, 1024 * int(line.split()[1]))
    return most
