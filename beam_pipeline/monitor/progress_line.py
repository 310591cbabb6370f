"""The progress line on standard error: the bytes read, the rate, and the time left.

It shows the progress that readers write with `beam_pipeline.monitor.read_progress`, because local
metrics arrive only at the end. Both the bytes read and their total are stored bytes, so the line is
also right for compressed files.

The line is drawn with a control sequence that every terminal supports, and the cursor stays
visible, because a program that is killed could not show it again.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.filesize import decimal

from beam_pipeline.monitor.read_progress import ProgressSnapshot

_ERASE_LINE = "\r\x1b[K"
_MIN_BAR, _MAX_BAR = 10, 40
# The rate is not shown before so many seconds have passed, or so large a share has been read: at
# first workers start, and the kernel may have to be compiled.
_SETTLED_SECONDS, _SETTLED_SHARE = 10.0, 0.01


class ProgressLine:
    """A line on a terminal that is redrawn inside a ``with`` block, and removed at its end.

    Args:
      stream: the terminal. Nothing is shown if it is not a terminal that can erase a line.
      delay: seconds before it is shown for the first time, so that short runs show nothing.
      max_width: the maximum width in columns.
    """

    def __init__(self, stream: TextIO | None, *, delay: float = 1.0, max_width: int = 79):
        self._delay = delay
        self._max_width = max_width
        self._encoding = getattr(stream, "encoding", None) or "ascii"
        # A duplicate, because standard error is replaced while a job runs.
        self._terminal = os.dup(stream.fileno()) if stream and _can_erase(stream) else None
        self._since = time.monotonic()
        self._is_drawn = False
        self._lock = threading.Lock()

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, progress: ProgressSnapshot, *, began: float, now: float) -> None:
        """Draws the line for a snapshot, if it is time to; may be called by any thread.

        Args:
          progress: how far reading has come.
          began: when the run began, in seconds since the epoch.
          now: the present time, likewise.
        """
        bar = _bar(self._encoding)
        self.draw(lambda width: line_of(progress, began=began, now=now, width=width, bar=bar))

    def draw(self, line: Callable[[int], str]) -> None:
        """Draws a line, if it is time to; may be called by any thread.

        Args:
          line: returns the text for a number of columns.
        """
        with self._drawing() as terminal:
            if terminal is None or time.monotonic() - self._since < self._delay:
                return
            if _is_in_background(terminal):
                return
            columns = os.get_terminal_size(terminal).columns or self._max_width + 1
            width = min(columns - 1, self._max_width)
            os.write(terminal, (_ERASE_LINE + line(width)).encode(self._encoding, "replace"))
            self._is_drawn = True

    def close(self) -> None:
        """Removes the line for good, before something else is printed."""
        with self._drawing() as terminal:
            if terminal is None:
                return
            self._terminal = None
            try:
                if self._is_drawn and not _is_in_background(terminal):
                    os.write(terminal, _ERASE_LINE.encode())
            finally:
                os.close(terminal)

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[int | None]:
        """Yields the terminal; errors, such as a closed terminal, are ignored."""
        with self._lock, contextlib.suppress(OSError):
            yield self._terminal


def line_of(
    progress: ProgressSnapshot, *, began: float, now: float, width: int, bar: str = "━─"
) -> str:
    """Returns the line for a snapshot: the most informative one that fits.

    Args:
      progress: how far reading has come.
      began: when the run began, in seconds since the epoch.
      now: the present time, likewise.
      width: how many columns there are.
      bar: the characters for what is done, and for what is still to be done.

    Example:
      >>> half = ProgressSnapshot(25_000_000, 1, 50_000_000, 100.0, 100.0, 102.0)
      >>> line_of(half, began=99.0, now=102.0, width=60)
      'reading ━━━━━────── 25.0 MB of 50.0 MB, 12.5 MB/s, 0:02 left'
      >>> line_of(half, began=99.0, now=102.0, width=30)
      'reading 25.0 MB of 50.0 MB'
    """
    stage, elapsed = stage_of(progress), _clock(now - began)
    if stage != "reading":
        return _first_that_fits([f"{stage}, {elapsed}", stage], width)
    read = decimal(progress.bytes_read)
    rate = _rate(progress, now)
    speed = f", {decimal(int(rate))}/s" if rate else ""
    if progress.bytes is None:
        return _first_that_fits([f"{stage} {read}{speed}", f"{stage} {read}", stage], width)
    share = progress.bytes_read / progress.bytes if progress.bytes else 0.0
    left = f", {_clock((progress.bytes - progress.bytes_read) / rate)} left" if rate else ""
    amount = f"{read} of {decimal(progress.bytes)}"
    full = f"{amount}{speed}{left}"
    room = min(width - len(f"{stage}  {full}"), _MAX_BAR)
    if room >= _MIN_BAR:
        done = int(room * share)
        return f"{stage} {bar[0] * done}{bar[1] * (room - done)} {full}"
    return _first_that_fits(
        [f"{stage} {full}", f"{stage} {amount}{left}", f"{stage} {amount}", f"{stage} {share:.0%}"],
        width,
    )


def stage_of(progress: ProgressSnapshot) -> str:
    """Returns what a run is doing, by the progress of its reading."""
    if progress.listed_at is None and progress.first_read_at is None:
        return "starting"
    if progress.bytes is not None and progress.bytes_read >= progress.bytes:
        return "finishing"
    return "reading"


def _can_erase(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


def _is_in_background(terminal: int) -> bool:
    """Returns whether this process is in the background of its terminal."""
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError:  # it is not the terminal that this process was started from
        return False


def _bar(encoding: str) -> str:
    try:
        "━─".encode(encoding)
    except UnicodeEncodeError:
        return "#-"
    return "━─"


def _rate(progress: ProgressSnapshot, now: float) -> float:
    """Returns the average number of bytes read per second; 0 if it is not known yet."""
    seconds = now - (progress.first_read_at or now)
    few = _SETTLED_SHARE * (progress.bytes or 0)
    is_settled = progress.bytes_read >= few or seconds >= _SETTLED_SECONDS
    return progress.bytes_read / seconds if seconds > 0 and is_settled else 0.0


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _first_that_fits(texts: Sequence[str], width: int) -> str:
    for text in texts:
        if len(text) <= width:
            return text
    return texts[-1][: max(width, 0)]
