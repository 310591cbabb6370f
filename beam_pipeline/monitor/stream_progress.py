"""The progress of readers of streams: written by workers on this machine, read while they work.

As in `beam_pipeline.monitor.read_progress`, each reader has its own small memory-mapped file in a
folder shared with the process that waits for the run.
"""

import contextlib
import mmap
import struct
import uuid
from pathlib import Path
from typing import NamedTuple

from beam_pipeline.monitor.read_progress import ReadProgress

# Messages, bytes, messages that are still to be read (-1: unknown), greatest event time.
_LAYOUT = struct.Struct("=QQqd")
_SUFFIX = ".partition"


class StreamSnapshot(NamedTuple):
    """The progress of all readers at one time.

    Attributes:
      messages: the number read by this run; messages that are read twice count twice.
      bytes: the size of these messages.
      lag: how many messages of the stream were still to be read when a reader last asked; None if
        none has asked yet.
      newest: the greatest event time, in seconds since the epoch; None before the first message.
      partitions: the number of partitions that are being read.
    """

    messages: int = 0
    bytes: int = 0
    lag: int | None = None
    newest: float | None = None
    partitions: int = 0


class PartitionProgress:
    """Writes the progress of one reader. It never fails: at worst it writes nothing.

    Args:
      folder: the folder that `read_stream_snapshot` reads; if empty, nothing is written.
      name: the name of the partition; a later reader of the same partition replaces an earlier one.
    """

    def __init__(self, folder: str, name: str):
        self._messages = self._bytes = 0
        self._lag, self._newest = -1, 0.0
        self._shared: mmap.mmap | None = None
        self._reading = ReadProgress(folder)
        if folder:
            path = Path(folder, f"{name.replace('/', '_')}.{uuid.uuid4().hex[:8]}{_SUFFIX}")
            with contextlib.suppress(OSError), path.open("w+b") as file:
                file.truncate(_LAYOUT.size)
                self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    def add(self, size: int, seconds: float) -> None:
        """Adds a message that has been read.

        Args:
          size: its size in bytes.
          seconds: the event time, in seconds since the epoch.
        """
        self._reading.add(size)
        self._messages += 1
        self._bytes += size
        self._newest = max(self._newest, seconds)
        self._lag = max(self._lag - 1, 0) if self._lag > 0 else self._lag
        self._publish()

    def lag(self, messages: int) -> None:
        """Sets how many messages are still to be read."""
        self._lag = max(messages, 0)
        self._publish()

    def end(self) -> None:
        """Records that this reader has ended; another one may continue."""
        self._lag = -1
        self._publish()

    def _publish(self) -> None:
        if self._shared is not None:
            _LAYOUT.pack_into(self._shared, 0, self._messages, self._bytes, self._lag, self._newest)


def read_stream_snapshot(folder: str) -> StreamSnapshot:
    """Returns the progress of all readers that write to `folder`."""
    readers = []
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            if path.suffix == _SUFFIX:
                with contextlib.suppress(OSError, struct.error):  # it may be only half created
                    readers.append(_LAYOUT.unpack(path.read_bytes()))
    lags = [lag for _, _, lag, _ in readers if lag >= 0]
    return StreamSnapshot(
        sum(messages for messages, _, _, _ in readers),
        sum(size for _, size, _, _ in readers),
        sum(lags) if lags else None,
        max((newest for *_, newest in readers if newest), default=None),
        len(readers),
    )
