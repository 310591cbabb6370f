"""What the benchmark commands have in common on the command line."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

#: Exit codes: done; the measured thing failed or was wrong; wrong usage.
DONE, FAILED, WRONG_USAGE = 0, 1, 2
_INTERRUPTED = 130


class UsageError(Exception):
    """The command line is wrong; the message is one line."""


def exit_code(command: Callable[[], int]) -> int:
    """-> what `command` gives, or the code of its error, which is told in one line."""
    try:
        return command()
    except UsageError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return _INTERRUPTED


class Parser(argparse.ArgumentParser):
    """Takes ``--an-option`` and ``--an_option`` alike, and raises `UsageError`."""

    def __init__(self, prog: str, description: str):
        super().__init__(prog, description=description, allow_abbrev=False)

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Arguments -> the values of the options."""
        return self.parse_args([_hyphenated(argument) for argument in argv])

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def _hyphenated(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument


def whole_number(least: int):  # type: ignore[no-untyped-def]
    """-> a type of argument: a whole number of `least` or more."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return number

    return convert


def duration(text: str) -> float:
    """A type of argument: seconds, more than 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def writable(text: str) -> Path:
    """A type of argument: a file that can be written."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no file in a folder that exists")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"no permission to write {text!r}")
    return path


def names(text: str) -> list[str]:
    """A type of argument: names, joined by commas."""
    return [name.strip().removesuffix(".py") for name in text.split(",") if name.strip()]
