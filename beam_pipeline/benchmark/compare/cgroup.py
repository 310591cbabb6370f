"""Linux control groups: processes that are frozen, killed and measured as one.

A group needs version 2 of the interface and no controller. It cannot be created in most containers,
nor by ordinary users without a delegated group.
"""

import contextlib
import itertools
import os
import time
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OWN = Path("/proc/self/cgroup")
_numbers = itertools.count()


class Cgroup:
    """A group below that of this process.

    Args:
      folder: of the group.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def create(cls) -> "Cgroup | None":
        """Makes a group without processes; None where this is not possible."""
        parent = _own_folder()
        if parent is None or not os.access(parent / "cgroup.procs", os.W_OK):
            return None
        folder = parent / f"anagram-benchmark-{os.getpid()}-{next(_numbers)}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            if (folder / "cgroup.kill").exists():  # since Linux 5.14
                return cls(folder)
            folder.rmdir()
        return None

    def join(self) -> None:
        """Moves this process into the group. Raises OSError where it may not."""
        (self.folder / "cgroup.procs").write_text("0")

    def pids(self) -> set[int]:
        """Returns the processes in the group, and in groups that they have made below it."""
        found: set[int] = set()
        for file in self.folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(map(int, file.read_text().split()))
        return found

    def freeze(self, timeout: float) -> bool:
        """Freezes all processes, whatever they do, and tells whether they are in time (seconds)."""
        self._write("cgroup.freeze", "1")
        return self._wait_for("frozen 1", timeout)

    def thaw(self) -> None:
        """Lets the processes go on."""
        self._write("cgroup.freeze", "0")

    def is_frozen(self) -> bool:
        """Tells whether all processes are frozen."""
        return "frozen 1" in self._read("cgroup.events").splitlines()

    def kill(self, timeout: float) -> bool:
        """Kills all processes at once, and tells whether they are gone in time (seconds)."""
        self._write("cgroup.kill", "1")
        return self._wait_for("populated 0", timeout)

    def cpu_seconds(self) -> float:
        """Returns the processor time of all processes that have ever been in the group."""
        fields = dict(line.split() for line in self._read("cpu.stat").splitlines())
        return int(fields.get("usage_usec", 0)) / 1e6

    def remove(self) -> None:
        """Removes the group, which must have no processes, and those below it."""
        folders = sorted(self.folder.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for folder in (*(path for path in folders if path.is_dir()), self.folder):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _wait_for(self, event: str, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while event not in self._read("cgroup.events").splitlines():
            if not self.folder.exists() or time.monotonic() > deadline:
                return not self.folder.exists()
            time.sleep(0.0005)
        return True

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text()
        except OSError:
            return ""

    def _write(self, name: str, value: str) -> None:
        with contextlib.suppress(OSError):
            (self.folder / name).write_text(value)


def _own_folder() -> Path | None:
    """Returns the folder of the group that this process is in."""
    with contextlib.suppress(OSError, ValueError):
        (own,) = (line[3:] for line in _OWN.read_text().splitlines() if line.startswith("0::"))
        for line in _MOUNTS.read_text().splitlines():
            before, _, after = line.partition(" - ")
            root, place = before.split()[3:5]
            if after.startswith("cgroup2 ") and Path(own).is_relative_to(root):
                folder = Path(place) / Path(own).relative_to(root)
                return folder if folder.is_dir() else None
    return None
