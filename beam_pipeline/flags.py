"""How options are spelled and converted. Does not need Beam, as the benchmark uses it too."""

import argparse
import math
import re
from collections.abc import Callable


def canonical_flag(argument: str, separator: str = "_") -> str:
    """Spells the name in an argument with one separator; a value after ``=`` stays as it is.

    Args:
      argument: an argument of the command line, an option or not.
      separator: what stands between the words of an option's name: ``_`` or ``-``.

    Returns:
      The argument, respelled where it is an option.

    Example:
      >>> canonical_flag("--output-format=a-b")
      '--output_format=a-b'
    """
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.removeprefix("--").partition("=")
    other = "-" if separator == "_" else "_"
    return f"--{name.replace(other, separator)}{equals}{value}"


def whole_number(at_least: int, at_most: int = 2**63 - 1) -> Callable[[str], int]:
    """Returns an argparse type for whole numbers.

    Args:
      at_least: the smallest one.
      at_most: the greatest one; by default what Beam can encode.
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
    """Returns an argparse type that converts a number above 0.

    Args:
      description: of what the number must be, for the message.
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


#: Converts a time in seconds, above 0; an argparse type.
seconds = positive("a number of seconds above 0")

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """Returns how many seconds a duration has.

    Raises:
      ValueError: it is none.

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
