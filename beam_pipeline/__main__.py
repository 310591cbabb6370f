"""``python -m beam_pipeline``."""

import gc
import logging
import sys


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    from beam_pipeline.command import run

    # Beam and a dictionary are some million objects that live as long as the process: spare the
    # collector from looking through them again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
