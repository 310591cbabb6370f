"""Interrupts (Ctrl-C, SIGTERM) as exceptions, which wait while processes are being stopped."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from beam_pipeline.errors import ExitCode


class Interrupted(KeyboardInterrupt):
    """A signal to end has been received.

    Args:
      number: the number of the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.exit_code = ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED


class _Deferred:
    """Whether signals are deferred, and the last deferred one. Handlers are global in a process."""

    depth = 0
    number: int | None = None


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Within, SIGINT and SIGTERM raise `Interrupted` in the main thread.

    SIGINT stays ignored where it is, as in a job that a shell has started in the background.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _on_signal)}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Inside, signals are deferred; they raise `Interrupted` at the end."""
    _Deferred.depth += 1
    try:
        yield
    finally:
        _Deferred.depth -= 1
        if not _Deferred.depth and (number := _Deferred.number) is not None:
            _Deferred.number = None
            raise Interrupted(number)


def _on_signal(number: int, _: object) -> None:
    if not _Deferred.depth:
        raise Interrupted(number)
    _Deferred.number = number
