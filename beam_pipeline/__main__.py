"""``python -m beam_pipeline``: the command line as a process of its own.

What changes the process for good is done here and nowhere else: `beam_pipeline.run`, which other
programs may call, leaves their process as it was.
"""

import time

_BEGAN = time.time()  # before the imports, which take a large part of a short run

# ruff: noqa: E402
import gc
import logging
import os
import sys
import threading

from beam_pipeline.cli.version import is_version_wanted, version_text
from beam_pipeline.errors import ExitCode
from beam_pipeline.runners.shutdown import Terminated, end_children, signals_raise


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    # numpy would start threads for linear algebra, which is not used; they spin while they wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    try:
        with signals_raise():
            return _run()
    except KeyboardInterrupt as stop:
        from beam_pipeline.cli.messages import print_error, wants_json

        code = ExitCode.TERMINATED if isinstance(stop, Terminated) else ExitCode.INTERRUPTED
        print_error("interrupted; nothing was published", code, as_json=wants_json(sys.argv))
        end_children()
        # All is cleaned up; threads of a runner, which Python would wait for, may never end.
        os._exit(code)
    except BrokenPipeError:
        # The reader of standard output has closed it. Python would complain of that once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _run() -> int:
    if is_version_wanted(sys.argv[1:]):
        print(version_text())
        return ExitCode.DONE
    from beam_pipeline.cli.command import run

    if "--verbose" not in sys.argv:
        _silence_runners()
    # Beam and a dictionary are a million objects that live as long as the process. The garbage
    # collector need not look through them again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    code = run(sys.argv[1:], _BEGAN)
    gc.freeze()  # nor need it look for anything at exit
    return code


def _silence_runners() -> None:
    """Silences what Beam prints and logs, until the process ends.

    `run` does so only while a job runs, but its threads may report an error later: when they are
    interrupted, or when they stop Prism at exit.
    """
    from beam_pipeline.runners import beam_internals

    beam_internals.silence_worker_tracebacks()
    beam_internals.silence_prism_log()
    threading.excepthook = lambda failure: None


if __name__ == "__main__":
    sys.exit(main())
