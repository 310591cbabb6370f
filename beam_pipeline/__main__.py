"""``python -m beam_pipeline``."""

import gc
import logging
import os
import sys

from beam_pipeline.stopping import Terminated, stoppable


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    try:
        with stoppable():
            return _run()
    except KeyboardInterrupt as stop:
        print("error: interrupted; nothing was published", file=sys.stderr, flush=True)
        # All is cleaned up; a runner's threads, which Python would wait for, may never end.
        os._exit(143 if isinstance(stop, Terminated) else 130)
    except BrokenPipeError:
        # Whoever reads our standard output has seen enough: leave without a second complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run() -> int:
    from beam_pipeline.command import run

    # Beam and a dictionary are some million objects that live as long as the process: spare the
    # collector from looking through them again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
