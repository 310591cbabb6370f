"""Standard output and standard error of the commands, whatever they are connected to."""

import codecs
import contextlib
import os
import sys
from typing import TextIO

# What stands for a character that the encoding of a stream does not have; any other character is
# written as a Python string literal would.
_PLAIN = {"↑": "^", "↓": "v", "–": "-", "—": "-", "…": "~", "\u00a0": " "}
_ERRORS = "beam_pipeline.benchmark.plain"


def prepare_streams() -> None:
    """Makes printing safe, for the rest of this process.

    Characters that an encoding does not have are replaced. A descriptor that is closed is opened
    on the null device, so that no socket or file gets its number; what is printed to a closed
    standard output still is an error, see `print_out`.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def has_unicode(stream: TextIO | None) -> bool:
    """Tells whether a stream can show any character."""
    return (getattr(stream, "encoding", None) or "").lower().startswith("utf")


def printable(text: str) -> str:
    r"""Writes what a terminal would obey or could not show as a Python string literal would.

    Example:
      >>> print(printable("caf\u00e9\x1b[2J\udce9"))
      café\x1b[2J\udce9
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def print_out(text: str) -> None:
    """Prints to standard output.

    Raises:
      OSError: standard output is closed, or what it is connected to cannot be written.
    """
    if sys.stdout is None:
        raise OSError("standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        raise OSError(f"standard output: {error.strerror}") from None


def print_error(text: str) -> None:
    """Prints a line to standard error, if anybody can read it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def _discard_output() -> None:
    """Lets the end of the process write what could not be written, to nowhere."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    plain = (_PLAIN.get(char) or ascii(char)[1:-1] for char in refused)
    return "".join(plain), error.end
