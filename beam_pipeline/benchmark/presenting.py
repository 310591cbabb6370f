"""Shows the progress of a command and its results, which are saved before."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from beam_pipeline.benchmark.interrupts import Interrupted
from beam_pipeline.benchmark.saving import SavedResults
from beam_pipeline.errors import ExitCode
from beam_pipeline.standard_streams import print_message, print_result, printable
from transforms.errors import AnagramError

R = TypeVar("R")


@contextlib.contextmanager
def progress(message: str) -> Iterator[Callable[[str], None]]:
    """Shows messages inside the ``with`` block, if standard error is a terminal.

    Args:
      message: the first message.

    Yields:
      A function that shows another message.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda text: None
        return
    with Console(stderr=True).status(message) as status:
        yield lambda text: status.update(Text(printable(text)))


class Screen:
    """Collects text for standard output, with its width and colors.

    Args:
      width: the width in characters if standard output is not a terminal.
    """

    def __init__(self, width: int):
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self._buffer = _Buffer()
        self._console = Console(
            file=self._buffer,
            width=None if is_terminal else width,
            force_terminal=is_terminal,
            highlight=False,
            markup=False,
        )

    def add(self, *lines: str | Table) -> None:
        """Adds lines, which are wrapped if they are too long, and tables."""
        for line in lines:
            self._console.print(line)

    def add_raw(self, *texts: str) -> None:
        """Adds texts whose lines are not wrapped."""
        for text in texts:
            self._buffer.write(f"{text}\n")

    def text(self) -> str:
        """Returns the collected text."""
        return self._buffer.getvalue()


class _Buffer(io.StringIO):
    """Accepts every character, as standard output does here."""

    encoding = "utf-8"


def measure_and_show(
    saved: SavedResults[R], measure: Callable[[], None], show: Callable[[list[R]], str]
) -> int:
    """Measures, and shows the results when this has ended or was interrupted.

    Args:
      saved: saves the results.
      measure: measures, and keeps results in `saved`.
      show: returns the printed form of results.

    Returns:
      The exit code: 0, 1 if something could not be saved or printed, or that of the signal.
    """
    code: int = ExitCode.DONE
    try:
        measure()
    except Interrupted as error:
        if not saved.results:
            raise
        code = error.exit_code
    saved.save()
    problems = []
    try:
        print_result(show(saved.results).removesuffix("\n"))
    except AnagramError as error:
        problems.append(str(error))
    except Interrupted as error:
        code = error.exit_code
    problems += saved.problems
    where = f"the results are saved in {saved.path}" if saved.is_saved else "nothing is saved"
    if code:
        part = "" if saved.is_complete else " (in part: of the rounds that were finished)"
        print_message(f"error: interrupted; {where}{part}")
    elif not problems:
        print_message(where)
    for problem in problems:
        print_message(f"error: {problem}; {where}")
    return code or (ExitCode.FAILED if problems else ExitCode.DONE)
