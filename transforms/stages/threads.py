"""Threads that work ahead, and whose results come in the order in which the work was given."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class OrderedThreads(Generic[R]):
    """Calls functions in threads. What they call should release Python's lock most of the time.

    Args:
      threads: how many; a single one is the caller's own.
    """

    def __init__(self, threads: int):
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        self._max_pending = 2 * threads
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
        """Yields the results that are there, in the order of the calls.

        Args:
          wait: for all of them; otherwise only where too many are pending for memory to hold.

        Raises:
          Exception: what the function has raised.
        """
        max_pending = 0 if wait else self._max_pending
        while self._pending and (len(self._pending) > max_pending or self._pending[0].done()):
            yield self._pending.popleft().result()

    def close(self) -> None:
        """Ends the threads; those that still work are waited for."""
        if self._executor is not None:
            self._executor.shutdown()
