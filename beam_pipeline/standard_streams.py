"""Standard input, output and error, even if they are closed, full, a notebook's, or a pipe.

Faults of standard error never affect a run. If standard output cannot be written, the run fails.
Uses the standard library only, because `__main__` loads it before anything else.
"""

import codecs
import contextlib
import io
import os
import shutil
import sys
from typing import BinaryIO

from transforms.errors import AnagramError

_COPY_SIZE = 1 << 20


def prepare() -> None:
    """Makes the standard streams of this process usable: they are open, and write UTF-8.

    If the process was started with a closed stream, the next file that is opened would get its file
    descriptor. Such a stream is opened in the opposite mode (standard input for writing, the others
    for reading), so that using it raises the error of a closed one.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free descriptor, which is this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def flush() -> None:
    """Flushes the streams; if Python did so at exit and failed, the exit code would change."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_message(message: str) -> None:
    """Prints lines for the user on standard error, if possible."""
    lines = "".join(f"{printable(line)}\n" for line in message.split("\n"))
    # It may be None, closed or full; then the message is dropped.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(lines)
        sys.stderr.flush()


def printable(text: str) -> str:
    r"""Escapes characters that a terminal would interpret or cannot show.

    Example:
      >>> print(printable("caf\u00e9\x1b[2J\udce9"))
      café\x1b[2J\udce9
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def write_stdout(source: BinaryIO) -> None:
    """Copies `source` to standard output.

    If standard output accepts only text, as in a notebook, the content must be UTF-8.

    Raises:
      AnagramError: standard output cannot be written.
    """
    try:
        if sys.stdout is None:
            raise AnagramError("standard output: is closed")
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.flush()
            shutil.copyfileobj(source, sys.stdout.buffer, _COPY_SIZE)
        else:
            shutil.copyfileobj(codecs.getreader("utf-8")(source), sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        raise AnagramError("standard output: its reader has closed it") from None
    except UnicodeDecodeError:
        raise AnagramError("standard output: takes text only here, and this is none") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnagramError(f"standard output: cannot be written ({reason})") from error


def print_result(text: str) -> None:
    """Prints lines on standard output, as UTF-8.

    Raises:
      AnagramError: standard output cannot be written.
    """
    write_stdout(io.BytesIO(f"{text}\n".encode("utf-8", "surrogateescape")))


def binary_stdin() -> io.BufferedReader:
    """Returns standard input as a stream of bytes.

    Raises:
      OSError: standard input is closed, or not a stream of bytes.
    """
    if sys.stdin is None:
        raise OSError("it is closed")
    buffer: io.BufferedReader | None = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        raise OSError("it takes no redirected input here")
    return buffer
