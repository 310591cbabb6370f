"""Ends worker processes when a run ends early, for example because one of them has died."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from beam_pipeline.interruption import Command
from beam_pipeline.runners import beam_internals, worker
from transforms.errors import AnagramError


@contextlib.contextmanager
def fail_on_worker_death(command: Command[Any], *, verbose: bool) -> Iterator[None]:
    """Inside the ``with`` block, the death of a worker process ends the command.

    Beam would wait for that worker forever. If the block ends with any error, the worker processes
    are killed, because Beam would wait until each has finished its bundle.

    Args:
      command: the command that waits for Beam.
      verbose: whether errors in other threads are printed as usual. Otherwise they are not printed,
        because the error of the run is enough.
    """
    report = threading.excepthook
    is_over = False

    def notice(failure: threading.ExceptHookArgs) -> None:
        nonlocal is_over
        if verbose:
            report(failure)
        is_worker = failure.thread is not None and beam_internals.is_worker_thread(failure.thread)
        if is_worker and not is_over:
            is_over = True
            _kill_workers()  # the others wait for each other's results
            command.end(AnagramError(f"a worker process has died ({failure.exc_value})"))

    threading.excepthook = notice
    try:
        yield
    except BaseException:
        is_over = True
        _kill_workers()
        _join_worker_threads()
        raise
    finally:
        is_over = True
        threading.excepthook = report


def _kill_workers() -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if worker.is_worker(child.cmdline()):
                child.kill()


def _join_worker_threads() -> None:
    """Waits for the threads of workers that have been killed, while their errors are not shown."""
    for thread in threading.enumerate():
        if beam_internals.is_worker_thread(thread):
            thread.join(timeout=10)
