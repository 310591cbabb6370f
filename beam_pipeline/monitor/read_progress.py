"""The progress of reading: written by workers on this machine, read while they work.

A runner's metrics arrive only at the end. Here each reader has its own small memory-mapped file in
a folder shared with the process that waits for the run: three numbers, without messages or locks.
"""

import contextlib
import json
import mmap
import os
import struct
import time
import uuid
from pathlib import Path
from typing import NamedTuple

# Bytes read; when the first and the last of them were, in seconds since the epoch.
_LAYOUT = struct.Struct("=Qdd")
_PLAN = "plan.json"


class ProgressSnapshot(NamedTuple):
    """The progress of reading at one time. Times are in seconds since the epoch.

    Attributes:
      bytes_read: the stored bytes read so far; bytes that are read twice count twice.
      files, bytes: the total to read; None until the files are listed.
      listed_at: when the files were listed; None until then.
      first_read_at, last_read_at: when the first and the last byte were read, if any.
    """

    bytes_read: int = 0
    files: int | None = None
    bytes: int | None = None
    listed_at: float | None = None
    first_read_at: float | None = None
    last_read_at: float | None = None


class ReadProgress:
    """Writes how much one reader has read. It never fails: at worst it writes nothing.

    Args:
      folder: where `read_snapshot` looks for it. If empty, nothing is published.
    """

    def __init__(self, folder: str):
        self._bytes_read = 0
        self._first_read_at = 0.0
        self._shared: mmap.mmap | None = None
        if folder:
            with contextlib.suppress(OSError), open(Path(folder, uuid.uuid4().hex), "w+b") as file:
                file.truncate(_LAYOUT.size)
                self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    def add(self, size: int) -> None:
        """Adds `size` bytes that have just been read."""
        if self._shared is not None:
            now = time.time()
            self._first_read_at = self._first_read_at or now
            self._bytes_read += size
            _LAYOUT.pack_into(self._shared, 0, self._bytes_read, self._first_read_at, now)


def write_plan(folder: str, files: int, size: int) -> None:
    """Writes how much is going to be read. Like `ReadProgress`, it never fails.

    Args:
      folder: as for `ReadProgress`.
      files: the number of files.
      size: their stored size in bytes.
    """
    if folder:
        plan = {"files": files, "bytes": size, "listed_at": time.time()}
        temporary = Path(folder, f"{uuid.uuid4().hex}.tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(plan))
            os.rename(temporary, Path(folder, _PLAN))


def read_snapshot(folder: str) -> ProgressSnapshot:
    """Returns the progress of all readers that write to `folder`."""
    plan = {}
    readers = []
    for path in Path(folder).iterdir():
        with contextlib.suppress(OSError, struct.error):  # a file may be only half created
            if path.name == _PLAN:
                plan = json.loads(path.read_text())
            elif path.suffix != ".tmp":
                readers.append(_LAYOUT.unpack(path.read_bytes()))
    readers = [reader for reader in readers if reader[0]]
    return ProgressSnapshot(
        sum(size for size, _, _ in readers),
        **plan,
        first_read_at=min((first for _, first, _ in readers), default=None),
        last_read_at=max((last for _, _, last in readers), default=None),
    )
