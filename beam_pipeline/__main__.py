"""``python -m beam_pipeline``: the command line as a process of its own.

Permanent changes to the process are made only here: `beam_pipeline.run`, which other programs may
call, restores whatever it changes.
"""

import time

_BEGAN = time.time()  # before the imports, which take a large part of a short run

# ruff: noqa: E402
import gc
import os
import sys

if __name__ == "__main__" and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    # `python -m` searches the current folder first, where a file may have the name of a module.
    sys.path.append(sys.path.pop(0))

import signal
from collections.abc import Callable

_Handler = Callable[[int], None]
# The number of new objects after which Python collects garbage. With its default it does so
# hundreds of times during imports and pipeline construction, which leave no garbage: a tenth of the
# time of a short run.
_GARBAGE_THRESHOLD = 50_000


class _Interrupted(KeyboardInterrupt):
    """A signal has ended the command."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    gc.set_threshold(_GARBAGE_THRESHOLD, *gc.get_threshold()[1:])
    _restart_in_utf8()
    handle_signals = _catch_signals()
    # Imported only now, because signals must be handled from the first import on.
    from beam_pipeline import standard_streams
    from beam_pipeline.cli.messages import print_error, print_internal_error, wants_json
    from beam_pipeline.interruption import Command

    standard_streams.prepare()
    command = Command(_run)
    handle_signals(lambda number: command.end(_Interrupted(number)))
    as_json = wants_json(sys.argv)
    try:
        code = command.run()
    except _Interrupted as interrupt:
        _end_children()
        code = 128 + interrupt.number
        print_error(str(interrupt), code, as_json=as_json)
        # Everything is cleaned up. Python would wait for threads of a runner that may never end.
        os._exit(code)
    except Exception as error:  # such as a module that cannot be imported
        code = print_internal_error(error, as_json=as_json)
    handle_signals(lambda number: None)  # the result is final, and so is the exit code
    standard_streams.flush()
    return code


def _restart_in_utf8() -> None:
    """Restarts this process in Python's UTF-8 mode, unless the locale is UTF-8 already.

    Names of files, messages and results are UTF-8 in every locale, and in every library.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # delivered once they are caught again
    os.execv(sys.executable, sys.orig_argv)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _catch_signals() -> Callable[[_Handler], None]:
    """Catches the signals that end a command, except those that are ignored, as in `nohup`.

    Returns:
      A function that sets the handler, which is called with the number of a signal; for signals
      that have arrived before, at once.
    """
    received: list[int] = []
    handler: _Handler = received.append

    def on_signal(number: int, _: object) -> None:
        handler(number)

    def set_handler(new: _Handler) -> None:
        nonlocal handler
        handler = new
        for number in received:
            handler(number)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return set_handler


def _run() -> int:
    import gc
    import logging

    # Otherwise numpy starts threads for linear algebra, which is not used; they spin while idle.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from transforms.stages.memory import keep_free_memory

    keep_free_memory()
    from beam_pipeline.cli.messages import TextFormatter

    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    logging.getLogger().handlers[0].setFormatter(TextFormatter(logging.BASIC_FORMAT))
    from beam_pipeline.cli.command import run
    from beam_pipeline.runners import beam_internals

    beam_internals.remember_arguments()
    if "--verbose" not in sys.argv:
        _silence_runners()
    # Beam and a dictionary are a million objects that live as long as the process, so the garbage
    # collector need not scan them.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    code = run(sys.argv[1:], _BEGAN)
    gc.freeze()  # nor need it scan anything at exit
    return code


def _silence_runners() -> None:
    """Silences what Beam prints and logs, until the process ends.

    `run` does so only while a job runs, but errors may be reported later: by its threads, when they
    are interrupted, or when they stop Prism at exit; and by objects that are deleted at exit, such
    as a temporary file of an upload that was interrupted, whose folder has been removed.
    """
    import threading

    from beam_pipeline.runners import beam_internals

    beam_internals.silence_worker_tracebacks()
    beam_internals.silence_prism_log()
    threading.excepthook = lambda failure: None
    sys.unraisablehook = lambda failure: None


def _end_children() -> None:
    """Kills the processes that this one has started, and that a runner has not ended."""
    if "psutil" not in sys.modules:
        return  # nothing has been started so early
    import contextlib

    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(children, timeout=5)


if __name__ == "__main__":
    sys.exit(main())
