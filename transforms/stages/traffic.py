"""Counts the requests to stores by thread, until a bundle of that thread adds them to its totals.

Clients of stores count here, see `transforms.files.clients`; stages add the counts to their totals.
"""

import contextlib
import threading
from collections.abc import Iterator

from transforms.stages.totals import Count, Totals


class Traffic:
    """The number of answered requests, and the bytes of their bodies. Threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = (0, 0, 0)

    def add(self, requests: int, received: int, sent: int) -> None:
        """Adds a number of requests, and of bytes received and sent."""
        with self._lock:
            before = self._numbers
            self._numbers = (before[0] + requests, before[1] + received, before[2] + sent)

    def drain(self) -> tuple[int, int, int]:
        """Returns the numbers added since the last call."""
        with self._lock:
            numbers, self._numbers = self._numbers, (0, 0, 0)
        return numbers


class _Thread(threading.local):
    """The state of a thread: where its requests are counted."""

    def __init__(self) -> None:
        self.traffic = Traffic()


_THREAD = _Thread()


def of_thread() -> Traffic:
    """Returns where the requests of this thread are counted."""
    return _THREAD.traffic


@contextlib.contextmanager
def counted_in(traffic: Traffic) -> Iterator[None]:
    """Inside, the requests of this thread are counted as those of the thread that it works for.

    Args:
      traffic: the counter of that thread.
    """
    before, _THREAD.traffic = _THREAD.traffic, traffic
    try:
        yield
    finally:
        _THREAD.traffic = before


def drain_into(totals: Totals) -> None:
    """Adds to totals what this thread has counted since the last call."""
    requests, received, sent = _THREAD.traffic.drain()
    if requests:
        totals.add(Count.STORE_REQUESTS, requests)
        totals.add(Count.STORE_BYTES_RECEIVED, received)
        totals.add(Count.STORE_BYTES_SENT, sent)
