"""What the benchmark commands share on the command line: the parser, types, exit codes."""

import argparse
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn

from beam_pipeline import standard_streams
from beam_pipeline.benchmark.interrupts import Interrupted, signals_raise
from beam_pipeline.errors import ExitCode, UsageError
from beam_pipeline.flags import canonical_flag, unknown_argument

_SEPARATOR = "-"


class Parser(argparse.ArgumentParser):
    """Takes ``--an-option`` and ``--an_option`` alike, and raises `UsageError`."""

    def __init__(self, prog: str, description: str):
        super().__init__(prog, description=description, allow_abbrev=False)

    def read(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parses the arguments of a command.

        Args:
          argv: the arguments; None for those of this process.

        Raises:
          UsageError: an argument is wrong.
        """
        given = sys.argv[1:] if argv is None else argv
        flags = [canonical_flag(argument, _SEPARATOR) for argument in given]
        options, unknown = self.parse_known_args(flags)
        if unknown:
            raise UsageError(unknown_argument(unknown[0], self._option_string_actions))
        return options

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def exit_code(command: Callable[[], int]) -> int:
    """Runs a command, and returns its exit code; an error is printed as one line.

    An interrupted command saves nothing, unless it handles `Interrupted` itself.
    """
    standard_streams.prepare()
    try:
        with signals_raise():
            return command()
    except UsageError as error:
        standard_streams.print_message(f"error: {' '.join(_message(error).split())}")
        return ExitCode.WRONG_USAGE
    except Interrupted as error:
        standard_streams.print_message("error: interrupted; nothing was measured")
        return error.exit_code


def _message(error: UsageError) -> str:
    if not error.setting:
        return str(error)
    value = "" if error.value is None else f"={error.value}"
    return f"{canonical_flag(f'--{error.setting}', _SEPARATOR)}{value}: {error}"


def writable_path(text: str) -> Path:
    """An argparse type: the path of a file that can be written."""
    path = Path(text)
    is_in_dev = path.absolute().is_relative_to("/dev")
    if (path.exists() and not path.is_file() and not path.is_dir()) or (
        is_in_dev and not path.resolve().is_relative_to("/dev/shm")
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular file")
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that exists")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"no permission to write {text!r}")
    return path


def names(text: str) -> list[str]:
    """An argparse type: names, separated by commas."""
    return [name.strip().removesuffix(".py") for name in text.split(",") if name.strip()]


def check_known(setting: str, given: Collection[str], known: Collection[str]) -> None:
    """Raises UsageError for the first name, in alphabetical order, that is not known.

    Args:
      setting: the option with the names.
      given: the names.
      known: the known names.
    """
    for name in sorted(set(given) - set(known)):
        raise UsageError(f"not one of {', '.join(known)}", setting=setting, value=name)
