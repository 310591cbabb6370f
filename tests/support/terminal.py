"""The real command line on a terminal of its own, and what a person sees there."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pyte

from tests.support.cli import COMMAND, environment, interruptible

#: Keys that a terminal turns into an interrupt and the end of the input.
CTRL_C, CTRL_D = "\x03", "\x04"
# Makes the terminal the one that signals come from, then becomes the command.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""
#: How long to wait for something that must happen, in seconds: it keeps a hang from blocking tests.
_LIMIT = 120


class Terminal:
    """Runs ``python -m beam_pipeline`` on a pseudo-terminal, inside a ``with`` block.

    What the program sends is interpreted by a terminal emulator.

    Args:
      *arguments: of the command.
      cwd: the folder to run in.
      columns, lines: the size of the terminal.
      stdin, stdout, stderr: files to use instead of the terminal.
      variables: of the environment, besides those of this process.

    Attributes:
      sent: all bytes that have arrived at the terminal.
      screens: all states of the screen, as lines of text, in order; what arrives together is one.
      screen: the emulator, with the screen as it is now.
    """

    def __init__(
        self,
        *arguments: object,
        cwd: Path,
        columns: int = 80,
        lines: int = 40,
        stdin: Path | None = None,
        stdout: Path | None = None,
        stderr: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ):
        self._arguments = [*COMMAND, *map(str, arguments)]
        self._cwd = cwd
        self._files = (stdin, stdout, stderr)
        self._environment = {**environment(), "TERM": "xterm-256color", **(variables or {})}
        for name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"} - set(variables or {}):
            self._environment.pop(name, None)
        self.sent = b""
        self.screens: list[list[str]] = []
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)

    def __enter__(self) -> "Terminal":
        self._master, end = os.openpty()
        self._resize()
        opened = [
            end if path is None else os.open(path, os.O_RDWR | os.O_CREAT) for path in self._files
        ]
        with interruptible():
            self._process = subprocess.Popen(
                [sys.executable, "-c", _TAKE_TERMINAL, str(end), *self._arguments],
                cwd=self._cwd,
                env=self._environment,
                stdin=opened[0],
                stdout=opened[1],
                stderr=opened[2],
                pass_fds=(end,),
                start_new_session=True,
            )
        for descriptor in {end, *opened}:
            os.close(descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def press(self, keys: str) -> None:
        """Sends keys, as a person presses them."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Changes the size of the terminal."""
        self.screen.resize(lines, columns)
        self._resize()

    def wait_for(self, text: str, *, again: bool = False) -> None:
        """Waits until `text` is on the screen; with `again`, until something new is drawn too."""
        if again:
            assert self._read(), self.seen()
        while not any(text in line for line in self.seen()):
            assert self._read(), self.seen()

    def wait_for_line(self, text: str) -> None:
        """Waits until a line that begins with `text` stands above the cursor."""
        while not any(line.startswith(text) for line in self.seen()[: self.screen.cursor.y]):
            assert self._read(), self.seen()

    def wait(self) -> int:
        """Waits for the end of the command; returns its exit code, or minus its signal."""
        while self._read():
            pass
        return self._process.wait(_LIMIT)

    def wait_seconds(self, seconds: float) -> None:
        """Lets some time pass, in which nothing need happen."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0] and not self._read():
                return

    def seen(self) -> list[str]:
        """Returns the lines on the screen, down to the last one that is not empty."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def is_cursor_shown(self) -> bool:
        """Whether the cursor is visible."""
        return not self.screen.cursor.hidden

    def _resize(self) -> None:
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def _read(self) -> bool:
        """Takes what arrives next; returns False if nothing will, as the command has ended."""
        readable, _, _ = select.select([self._master], [], [], _LIMIT)
        assert readable, self.seen()
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # Linux: nobody has the other end any more
            data = b""
        self.sent += data
        self._stream.feed(data)
        self.screens.append(self.seen())
        return bool(data)
