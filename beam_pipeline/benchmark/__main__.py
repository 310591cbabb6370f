"""The benchmark commands without their installed names.

``python -m beam_pipeline.benchmark one|compare|throughput ...``
"""

import sys

from beam_pipeline.benchmark import cli
from beam_pipeline.benchmark.arguments import WRONG_USAGE
from beam_pipeline.benchmark.throughput import command as throughput

_COMMANDS = {"one": cli.benchmark, "compare": cli.compare, "throughput": throughput.main}


def main() -> int:
    """-> the exit code of the command that the first argument names."""
    command = _COMMANDS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if command is None:
        print(f"error: give one of {', '.join(_COMMANDS)} first", file=sys.stderr)
        return WRONG_USAGE
    return command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
