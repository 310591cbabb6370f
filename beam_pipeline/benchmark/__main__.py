"""The benchmark commands, as programs: each can be interrupted from its first import on.

``python -m beam_pipeline.benchmark {one,compare,throughput} ...`` runs them if the installed
commands are not on PATH.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _catch_signals() -> None:
    """Lets a signal end the program in a line until the command handles it itself."""

    def end(number: int, _: object) -> None:
        try:
            os.write(2, b"error: interrupted; nothing was measured\n")
        finally:
            os._exit(128 + number)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def benchmark() -> int:
    """Runs ``benchmark`` with the arguments of this process."""
    return _run("one", sys.argv[1:])


def compare() -> int:
    """Runs ``compare-benchmarks`` with the arguments of this process."""
    return _run("compare", sys.argv[1:])


def main() -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    return _run(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])


def _run(name: str, arguments: Sequence[str]) -> int:
    _catch_signals()
    from beam_pipeline import standard_streams
    from beam_pipeline.benchmark.arguments import exit_code

    code = exit_code(lambda: _command(name)(arguments))
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # everything has been said
    standard_streams.flush()
    return code


def _command(name: str) -> Callable[[Sequence[str]], int]:
    from beam_pipeline.errors import UsageError

    if name == "one":
        from beam_pipeline.benchmark.cli import benchmark as command
    elif name == "compare":
        from beam_pipeline.benchmark.cli import compare as command
    elif name == "throughput":
        from beam_pipeline.benchmark.throughput.command import main as command
    else:
        raise UsageError("begin with a command: one, compare or throughput")
    return command


if __name__ == "__main__":
    sys.exit(main())
