"""Threads that work ahead, and return results in the order of the calls."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

#: How many calls for each thread may be waiting, or done but not collected. Some take much longer
#: than others: with fewer, threads would be idle while the first result is awaited.
AHEAD = 4

T = TypeVar("T")
R = TypeVar("R")


class OrderedThreads(Generic[R]):
    """Calls functions in threads. They should release Python's global lock most of the time.

    Args:
      threads: the number of threads; 1 is the caller's own thread.
    """

    def __init__(self, threads: int):
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        self._max_pending = AHEAD * threads
        self._pending: deque[Future[R]] = deque()

    def submit(self, function: Callable[..., R], *args: Any) -> None:
        """Adds one more call."""
        if self._executor is not None:
            self._pending.append(self._executor.submit(function, *args))
            return
        done: Future[R] = Future()
        done.set_result(function(*args))
        self._pending.append(done)

    def results(self, *, wait: bool) -> Iterator[R]:
        """Yields the available results, in the order of the calls.

        Args:
          wait: whether to wait for all calls; otherwise only while too many are pending.

        Raises:
          Exception: raised by a call.
        """
        max_pending = 0 if wait else self._max_pending
        while self._pending and (len(self._pending) > max_pending or self._pending[0].done()):
            yield self._pending.popleft().result()

    def close(self) -> None:
        """Ends the threads, after waiting for their calls."""
        if self._executor is not None:
            self._executor.shutdown()


def map_in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Like `map`, but several threads work ahead, by a bounded number of items.

    Args:
      function: should release Python's global lock most of the time.
      items: the arguments of the calls.
      threads: the number of threads; 1 is the caller's own thread.
    """
    working: OrderedThreads[R] = OrderedThreads(threads)
    try:
        for item in items:
            working.submit(function, item)
            yield from working.results(wait=False)
        yield from working.results(wait=True)
    finally:
        working.close()
