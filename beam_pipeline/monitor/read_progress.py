"""How far reading has come: told by the workers of one machine, read while they work.

A runner's metrics come when all is done. Here each reader has a small file of its own in a folder
that the one who waits looks into: one number in shared memory, no message, no lock.
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
    """How far reading has come. Times are in seconds since the epoch.

    Attributes:
      bytes_read: of the files as they are stored; what is read twice counts twice.
      files, bytes: all there is to read; None until it is known, as is `planned`.
      planned: when that was known.
      first, last: when the first and the last byte were read, if any.
    """

    bytes_read: int = 0
    files: int | None = None
    bytes: int | None = None
    planned: float | None = None
    first: float | None = None
    last: float | None = None


class ReadProgress:
    """Where one reader tells how much it has read. It never fails: at worst it tells nothing.

    Args:
      folder: shared with whoever looks; empty: nobody does.
    """

    def __init__(self, folder: str):
        self._bytes_read = 0
        self._first = 0.0
        self._shared: mmap.mmap | None = None
        if folder:
            with contextlib.suppress(OSError), open(Path(folder, uuid.uuid4().hex), "w+b") as file:
                file.truncate(_LAYOUT.size)
                self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    def add(self, size: int) -> None:
        """`size` more bytes have been read."""
        if self._shared is not None:
            now = time.time()
            self._first = self._first or now
            self._bytes_read += size
            _LAYOUT.pack_into(self._shared, 0, self._bytes_read, self._first, now)


def write_plan(folder: str, files: int, size: int) -> None:
    """Tells those who look into `folder` that `files` of `size` bytes are going to be read."""
    if folder:
        plan = {"files": files, "bytes": size, "planned": time.time()}
        temporary = Path(folder, f"{uuid.uuid4().hex}.tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(plan))
            os.rename(temporary, Path(folder, _PLAN))


def read_snapshot(folder: str) -> ProgressSnapshot:
    """-> how far the readers that tell in `folder` have come."""
    plan = {}
    readers = []
    for path in Path(folder).iterdir():
        with contextlib.suppress(OSError, struct.error):  # it may be about to be made
            if path.name == _PLAN:
                plan = json.loads(path.read_text())
            elif path.suffix != ".tmp":
                readers.append(_LAYOUT.unpack(path.read_bytes()))
    readers = [reader for reader in readers if reader[0]]
    return ProgressSnapshot(
        sum(size for size, _, _ in readers),
        **plan,
        first=min((first for _, first, _ in readers), default=None),
        last=max((last for _, _, last in readers), default=None),
    )
