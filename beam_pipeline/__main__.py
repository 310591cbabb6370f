"""``python -m beam_pipeline``."""

import gc
import logging
import os
import sys

from beam_pipeline.runners.shutdown import Terminated, end_children, signals_raise

INTERRUPTED, TERMINATED = 130, 143

# numpy would start threads for linear algebra, of which there is none; they wait by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    try:
        with signals_raise():
            return _run()
    except KeyboardInterrupt as stop:
        from beam_pipeline.cli.messages import print_error, wants_json

        code = TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
        print_error("interrupted; nothing was published", code, as_json=wants_json(sys.argv))
        end_children()
        # All is cleaned up; a runner's threads, which Python would wait for, may never end.
        os._exit(code)
    except BrokenPipeError:
        # Whoever reads our standard output has seen enough: leave without a second complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run() -> int:
    from beam_pipeline.cli.command import run

    # Beam and a dictionary are some million objects that live as long as the process: spare the
    # collector from looking through them again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    code = run(sys.argv[1:])
    gc.freeze()  # nor is there anything to find as Python ends
    return code


if __name__ == "__main__":
    sys.exit(main())
