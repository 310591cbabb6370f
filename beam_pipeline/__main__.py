"""``python -m beam_pipeline``."""

import gc
import logging
import os
import sys

INTERRUPTED = 130


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    from beam_pipeline.command import run
    from beam_pipeline.messages import print_error, wants_json

    # Beam and a dictionary are some million objects that live as long as the process: spare the
    # collector from looking through them again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        as_json = wants_json(sys.argv)
        print_error("interrupted; nothing was published", INTERRUPTED, as_json=as_json)
        # All is cleaned up; a runner's threads, which Python would wait for, may never end.
        os._exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever reads our standard output has seen enough: leave without a second complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
