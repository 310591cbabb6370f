"""The benchmark commands, where their installed names are not at hand.

``python -m beam_pipeline.benchmark {one,compare,throughput} ...``
"""

import sys

from beam_pipeline.benchmark import cli
from beam_pipeline.benchmark.throughput import command as throughput
from beam_pipeline.errors import ExitCode

_COMMANDS = {"one": cli.benchmark, "compare": cli.compare, "throughput": throughput.main}


def main() -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    command = _COMMANDS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if command is None:
        print(f"error: give one of {', '.join(_COMMANDS)} first", file=sys.stderr)
        return ExitCode.WRONG_USAGE
    return command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
