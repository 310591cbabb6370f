"""How far the readers of streams are: written by workers on this machine, read while they work.

As in `beam_pipeline.monitor.read_progress`, each reader has a small file of its own in a folder
that is shared with the process that waits for the run, with numbers in shared memory.
"""

import contextlib
import mmap
import struct
import uuid
from pathlib import Path
from typing import NamedTuple

# Messages, bytes, messages that are still to be read (-1: not known), greatest time of an event.
_LAYOUT = struct.Struct("=QQqd")
_SUFFIX = ".partition"


class StreamSnapshot(NamedTuple):
    """How far all readers were at one moment.

    Attributes:
      messages: read by this run; what is read twice counts twice.
      bytes: of them.
      lag: how many messages of the stream were still to be read when a reader last asked; None if
        none has asked yet.
      newest: the greatest time of an event, in seconds since the epoch; None before the first.
      partitions: how many readers there are.
    """

    messages: int = 0
    bytes: int = 0
    lag: int | None = None
    newest: float | None = None
    partitions: int = 0


class PartitionProgress:
    """Publishes how far one reader is. It never fails: at worst it publishes nothing.

    Args:
      folder: where `read_stream_snapshot` looks for it. If empty, nothing is published.
      name: of what is read; a later reader of the same takes the place of an earlier one.
    """

    def __init__(self, folder: str, name: str):
        self._messages = self._bytes = 0
        self._lag, self._newest = -1, 0.0
        self._shared: mmap.mmap | None = None
        if folder:
            path = Path(folder, f"{name.replace('/', '_')}.{uuid.uuid4().hex[:8]}{_SUFFIX}")
            with contextlib.suppress(OSError), path.open("w+b") as file:
                file.truncate(_LAYOUT.size)
                self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    def add(self, size: int, seconds: float) -> None:
        """Adds a message that has been read.

        Args:
          size: its bytes.
          seconds: the time of the event, since the epoch.
        """
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
        """Says that this reader reads no more; another one may go on for it."""
        self._lag = -1
        self._publish()

    def _publish(self) -> None:
        if self._shared is not None:
            _LAYOUT.pack_into(self._shared, 0, self._messages, self._bytes, self._lag, self._newest)


def read_stream_snapshot(folder: str) -> StreamSnapshot:
    """Returns how far all readers are that publish in `folder`."""
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
