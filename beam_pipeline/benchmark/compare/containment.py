"""Pauses, measures and kills all processes of an orchestrator together.

There are two ways. A `Cgroup` is exact: no process in it can escape a freeze or a kill, and the
kernel counts its CPU time. Without one, the processes below the supervisor are listed and signalled
repeatedly until none is left, within a time limit; the supervisor adopts orphans, so that they stay
below it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from beam_pipeline.benchmark.compare.cgroup import Cgroup
from beam_pipeline.benchmark.compare.descendants import descendants, send, state

_PAUSED = ("T", "t", "Z", "X", "")


class Containment:
    """The processes of an orchestrator, without their supervisor.

    Args:
      supervisor: the process that is the parent of them all.
      cgroup: the group that they are in; None if they are in none.
      patience: for how many seconds to try to pause or kill processes.
    """

    def __init__(self, supervisor: int, cgroup: Cgroup | None, patience: float):
        self._supervisor = supervisor
        self._cgroup = cgroup
        self._patience = patience

    def pids(self) -> set[int]:
        """Returns all processes that have not ended."""
        found = descendants(self._supervisor)
        return found | self._cgroup.pids() if self._cgroup else found

    def strays(self) -> set[int]:
        """Returns the processes that have left the control group."""
        if self._cgroup is None:
            return set()
        # Listed in this order, a process that is started in between is not mistaken for a stray.
        below = descendants(self._supervisor)
        return {pid for pid in below - self._cgroup.pids() if state(pid) not in ("", "Z", "X")}

    def unreadable(self) -> set[int]:
        """Returns the processes whose memory the system does not show."""
        return {pid for pid in self.pids() if _is_unreadable(pid)}

    def freeze(self) -> bool:
        """Pauses all processes, and tells whether it could be done."""
        if self._cgroup is not None:
            return self._cgroup.freeze(self._patience)
        return self._repeat(self._stop_running)

    def is_frozen(self) -> bool:
        """Tells whether all processes are paused."""
        if self._cgroup is not None:
            return self._cgroup.is_frozen()
        return all(state(pid) in _PAUSED for pid in self.pids())

    def thaw(self) -> None:
        """Lets all processes go on."""
        if self._cgroup is not None:
            self._cgroup.thaw()
        else:
            send(self.pids(), signal.SIGCONT)

    def kill(self) -> bool:
        """Kills all processes, paused or not, and tells whether none is left."""
        gone = self._cgroup.kill(self._patience) if self._cgroup is not None else True
        return self._repeat(self._kill_left) and gone

    def cpu_seconds(self) -> float | None:
        """Returns the processor time since the start of all processes, hidden or ended too.

        None without a control group.
        """
        return self._cgroup.cpu_seconds() if self._cgroup is not None else None

    def _stop_running(self) -> bool:
        running = {pid for pid in descendants(self._supervisor) if state(pid) not in _PAUSED}
        send(running, signal.SIGSTOP)
        return not running

    def _kill_left(self) -> bool:
        left = self.pids()
        send(left, signal.SIGKILL)
        return not left

    def _repeat(self, action: Callable[[], bool]) -> bool:
        """Repeats an action without a pause until it returns True twice in a row."""
        deadline = time.monotonic() + self._patience
        done = 0
        while done < 2:
            done = done + 1 if action() else 0
            if time.monotonic() > deadline:
                return False
        return True


def _is_unreadable(pid: int) -> bool:
    if not os.path.isdir("/proc/self"):
        return False
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            file.read()
    except OSError:
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return True  # it is there
    return False
