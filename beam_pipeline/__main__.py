"""``python -m beam_pipeline``."""

import logging
import sys


def main() -> int:
    """Runs the command line of this process; returns its exit code."""
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    from beam_pipeline.command import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
