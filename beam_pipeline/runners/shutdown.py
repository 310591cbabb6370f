"""What ends a run early: a signal, or the death of a worker process. POSIX only."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

from beam_pipeline.runners import beam_internals
from transforms.errors import AnagramError

# Interrupts the main thread while it waits for the runner; nobody else sends it.
_WAKE_UP = signal.SIGUSR1
# Set when a signal has come: workers that die from then on were killed, and are no failure.
_is_stopping = threading.Event()


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. What cleans up after an interrupt from the keyboard does so here too."""


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Within, SIGINT and SIGTERM raise `KeyboardInterrupt` and `Terminated` in the main thread.

    Beam's worker processes are killed first. SIGINT stays ignored where it is, as in a job that a
    shell has started in the background.
    """

    def stop(number: int, _: object) -> NoReturn:
        _is_stopping.set()
        _kill_workers()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, stop)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _is_stopping.clear()


@contextlib.contextmanager
def keep_sigint_handler() -> Iterator[None]:
    """Undoes, at its end, what Beam has set as the handler of SIGINT.

    Beam sets one when it starts a job server, and never restores what was there.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def fail_on_worker_death(*, verbose: bool) -> Iterator[None]:
    """Within, the death of a worker process ends the run; Beam would wait for it forever.

    It works in the main thread only: no other thread can be interrupted while it waits.

    Args:
      verbose: whether errors in other threads are reported as usual. Otherwise they are not
        reported at all: the error of the run says what is to be said.

    Raises:
      AnagramError: a worker process has died.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    main_thread, report = threading.get_ident(), threading.excepthook
    deaths: list[BaseException | None] = []
    is_over = False

    def notice(failure: threading.ExceptHookArgs) -> None:
        if verbose:
            report(failure)
        is_worker = failure.thread is not None and beam_internals.is_worker_thread(failure.thread)
        if is_worker and not deaths and not is_over and not _is_stopping.is_set():
            deaths.append(failure.exc_value)
            signal.pthread_kill(main_thread, _WAKE_UP)

    def fail(*_: object) -> None:
        if is_over or _is_stopping.is_set():
            return
        _kill_workers()  # they wait for each other's results
        raise AnagramError(f"a worker process has died ({deaths[0]})")

    before = signal.signal(_WAKE_UP, fail)
    threading.excepthook = notice
    try:
        yield
    finally:
        is_over = True
        if deaths:
            _join_worker_threads()
        threading.excepthook = report
        signal.signal(_WAKE_UP, before)


def end_children() -> None:
    """Terminates the child processes of this process, such as a job server."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.terminate()


def _kill_workers() -> None:
    """Kills Beam's worker processes; Beam would wait until each is done with its bundle."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if beam_internals.is_worker_process(child.cmdline()):
                child.kill()


def _join_worker_threads() -> None:
    """Waits for the threads of workers that have been killed, while their errors are not shown."""
    for thread in threading.enumerate():
        if beam_internals.is_worker_thread(thread):
            thread.join(timeout=10)
