"""What ends a run early: a signal, or a worker process that has died."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

from transforms.errors import AnagramError

# Calls the main thread back from its waiting; nobody else sends it.
_CALL = signal.SIGUSR1


class Terminated(KeyboardInterrupt):
    """SIGTERM has come: all is cleaned up as after an interrupt from the keyboard."""


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Within, SIGINT and SIGTERM raise `KeyboardInterrupt` and `Terminated` in the main thread."""

    def stop(number: int, _: object) -> NoReturn:
        _kill_workers()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, stop)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell ignores it
        before[signal.SIGINT] = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def keep_sigint_handler() -> Iterator[None]:
    """Within, Beam may take SIGINT for itself, as it does with a job server; not any longer."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def fail_on_worker_death(*, verbose: bool) -> Iterator[None]:
    """Within, a worker process of Beam's that dies ends the run: Beam would wait for it forever.

    What other threads complain of is shown only if `verbose`: the run's own error says it all.

    Raises:
      AnagramError: one has died.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can be called back
        return
    waiting, others = threading.get_ident(), threading.excepthook
    died: list[BaseException | None] = []

    def notice(failure: threading.ExceptHookArgs) -> None:
        # The thread that has started a worker raises an error when it ends with one.
        if verbose:
            others(failure)
        if failure.thread is not None and failure.thread.name == "run_worker" and not died:
            died.append(failure.exc_value)
            signal.pthread_kill(waiting, _CALL)

    def stop(*_: object) -> NoReturn:
        _kill_workers()  # they wait for each other's results
        raise AnagramError(f"a worker process has died ({died[0]})")

    before = signal.signal(_CALL, stop)
    threading.excepthook = notice
    try:
        yield
    finally:
        threading.excepthook = others
        signal.signal(_CALL, before)


def end_children() -> None:
    """Ends what a runner has started, such as a job server."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.terminate()


def _kill_workers() -> None:
    """Ends Beam's worker processes; Beam would wait until each is done with its bundle."""
    import psutil

    threading.excepthook = lambda failure: None  # what threads complain of now is our doing
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any("sdk_worker_main" in argument for argument in child.cmdline()):
                child.kill()
