"""The benchmark commands, each loaded when an interrupt would already end it in order.

``python -m beam_pipeline.benchmark {one,compare,throughput} ...`` runs them where their installed
names are not at hand.
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from beam_pipeline.benchmark.arguments import exit_code
from beam_pipeline.benchmark.streams import print_error
from beam_pipeline.errors import ExitCode


def benchmark(argv: Sequence[str] | None = None) -> int:
    """Runs ``benchmark`` with some arguments, by default those of this process."""

    def command() -> int:
        from beam_pipeline.benchmark import cli

        return cli.benchmark(argv)

    return exit_code(command)


def compare(argv: Sequence[str] | None = None) -> int:
    """Runs ``compare-benchmarks`` with some arguments, by default those of this process."""

    def command() -> int:
        from beam_pipeline.benchmark import cli

        return cli.compare(argv)

    return exit_code(command)


def throughput(argv: Sequence[str] | None = None) -> int:
    """Runs ``throughput`` with some arguments, by default those of this process."""

    def command() -> int:
        from beam_pipeline.benchmark.throughput import command as throughput_command

        return throughput_command.main(argv)

    return exit_code(command)


_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "one": benchmark,
    "compare": compare,
    "throughput": throughput,
}


def main() -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    command = _COMMANDS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if command is None:
        print_error(f"error: give one of {', '.join(_COMMANDS)} first")
        return ExitCode.WRONG_USAGE
    return command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
