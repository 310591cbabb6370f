"""The processes below a process, listed as fast as the system allows."""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil


def descendants(pid: int) -> set[int]:
    """Returns the processes below one that have not ended, without itself.

    On Linux this takes microseconds, which matters where processes fork as fast as they can.
    """
    if not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists():
        return _slowly(pid)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop()) - found
        found |= children
        waiting += children
    return {child for child in found if state(child) not in ("", "Z", "X")}


def state(pid: int) -> str:
    """Returns the letter for the state of a process as Linux has it; empty if there is none."""
    try:
        # The name of the program, in parentheses, may contain anything.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1].decode()
    except OSError:
        return _state_elsewhere(pid) if not os.path.isdir("/proc/self") else ""


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to those processes that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _children(pid: int) -> set[int]:
    """Returns the children of all threads of a process."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found.update(
                    map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
                )
    return found


def _slowly(pid: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(pid).children(recursive=True)
        return {process.pid for process in below if state(process.pid) not in ("", "Z")}
    return set()


def _state_elsewhere(pid: int) -> str:
    letters = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_STOPPED: "T"}
    with contextlib.suppress(psutil.Error):
        return letters.get(psutil.Process(pid).status(), "S")
    return ""
