"""Spelling and conversion of options. Does not import Beam, because the benchmark uses it too."""

import argparse
import difflib
import math
import re
from collections.abc import Callable, Iterable


def canonical_flag(argument: str, separator: str = "_") -> str:
    """Spells the name in an argument with one separator; a value after ``=`` stays as it is.

    Args:
      argument: an argument of the command line, an option or not.
      separator: the separator of the words in an option's name: ``_`` or ``-``.

    Returns:
      The argument; if it is an option, with this separator.

    Example:
      >>> canonical_flag("--output-format=a-b")
      '--output_format=a-b'
    """
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.removeprefix("--").partition("=")
    other = "-" if separator == "_" else "_"
    return f"--{name.replace(other, separator)}{equals}{value}"


def unknown_argument(argument: str, known: Iterable[str]) -> str:
    """Returns the error message for an argument that is not a known option.

    Args:
      argument: the argument as it was given.
      known: all options.

    Example:
      >>> unknown_argument("--tpo=3", ["--top", "--sort"])
      'unknown option --tpo; did you mean --top?'
    """
    name = argument.partition("=")[0]
    if not name.startswith("-"):
        return f"unexpected argument {argument!r}"
    close = difflib.get_close_matches(name, list(known), 1)
    return f"unknown option {name}; {f'did you mean {close[0]}?' if close else 'see --help'}"


def whole_number(at_least: int, at_most: int = 2**63 - 1) -> Callable[[str], int]:
    """Returns an argparse type for whole numbers.

    Args:
      at_least: the smallest number permitted.
      at_most: the greatest number permitted; by default the greatest that Beam can encode.
    """

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:  # also for very many digits
            number = at_least - 1
        if at_least <= number <= at_most:
            return number
        shown = repr(text) if len(text) <= 40 else f"{text[:40]!r}..."
        permitted = f"of {at_least} or more"
        if at_most < 2**63 - 1 or number > at_most:
            permitted = f"from {at_least} to {at_most:,}"
        raise argparse.ArgumentTypeError(f"{shown} is not a whole number {permitted}")

    return convert


def positive(description: str) -> Callable[[str], float]:
    """Returns an argparse type for numbers above 0.

    Args:
      description: what the number must be, for the error message.
    """

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not {description}")
        return number

    return convert


#: An argparse type for a time in seconds, above 0.
seconds = positive("a number of seconds above 0")

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """Converts a duration to seconds.

    Raises:
      ValueError: the text is not a duration.

    Example:
      >>> [parse_duration(text) for text in ("90", "5m", "1h")]
      [90, 300, 3600]
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number of seconds, nor one like 5m, 1h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def duration(text: str) -> int:
    """Converts a duration to seconds, as `parse_duration` does; an argparse type."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
