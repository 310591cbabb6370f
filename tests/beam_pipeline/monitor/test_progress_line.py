"""The live line shows how far a run is, on a terminal only, and is removed at its end."""

import contextlib
import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.monitor.progress_line import ProgressLine, line_of, stage_of
from beam_pipeline.monitor.read_progress import ProgressSnapshot

STARTING = ProgressSnapshot()
READING = ProgressSnapshot(25_000_000, 3, 100_000_000, 1.0, 1.0, 2.0)
FINISHING = ProgressSnapshot(100_000_000, 3, 100_000_000, 1.0, 1.0, 3.0)


class Screen:
    """A terminal without a program, and what can be seen on it."""

    def __init__(self, columns: int):
        self._master, end = os.openpty()
        self.stream: TextIO = os.fdopen(end, "w")
        self._emulator = pyte.Screen(max(columns, 1), 5)
        self._feed = pyte.ByteStream(self._emulator).feed
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 5, columns, 0, 0))
        self._emulator.resize(5, max(columns, 1))

    def seen(self) -> list[str]:
        """The lines that are not empty."""
        os.write(self.stream.fileno(), b"\0")  # invisible, and behind all that was written before
        data = b""
        while not data.endswith(b"\0"):
            data = os.read(self._master, 1 << 16)
            self._feed(data)
        return [line.rstrip() for line in self._emulator.display if line.strip()]

    @property
    def is_cursor_shown(self) -> bool:
        return not self._emulator.cursor.hidden

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)

    def hang_up(self) -> None:
        """Closes the terminal's window."""
        os.close(self._master)


@contextlib.contextmanager
def screen(columns: int = 100) -> Iterator[Screen]:
    shown = Screen(columns)
    try:
        yield shown
    finally:
        with contextlib.suppress(OSError):
            shown.close()


@pytest.fixture(autouse=True)
def terminal_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def show(line: ProgressLine, progress: ProgressSnapshot) -> None:
    line.show(progress, began=0.5, now=3.0)


def test_bytes_read_and_their_total_are_shown() -> None:
    with screen() as shown, ProgressLine(shown.stream, delay=0) as line:
        show(line, STARTING)
        assert shown.seen() == ["starting, 0:02"]
        show(line, READING)
        (seen,) = shown.seen()
        assert seen.startswith("reading ━")
        assert seen.endswith("─ 25.0 MB of 100.0 MB, 12.5 MB/s, 0:06 left")
        show(line, FINISHING)
        assert shown.seen() == ["finishing, 0:02"]
        assert shown.is_cursor_shown


def test_nothing_is_shown_of_a_short_run() -> None:
    with screen() as shown:
        with ProgressLine(shown.stream, delay=3600) as line:
            show(line, READING)
        assert shown.seen() == []


def test_the_line_is_removed_before_something_else_is_printed() -> None:
    with screen() as shown, ProgressLine(shown.stream, delay=0) as line:
        show(line, READING)
        line.close()
        show(line, FINISHING)  # a sample that is taken late
        os.write(shown.stream.fileno(), b"result")
        assert shown.seen() == ["result"]


def test_the_line_is_removed_when_the_run_fails() -> None:
    with screen() as shown:
        with pytest.raises(ZeroDivisionError), ProgressLine(shown.stream, delay=0) as line:
            show(line, READING)
            raise ZeroDivisionError
        assert shown.seen() == []
        assert shown.is_cursor_shown


@pytest.mark.parametrize("columns", [0, 1, 2, 10, 20, 40, 80, 200])
def test_the_line_fits_into_the_terminal(columns: int) -> None:
    with screen(columns) as shown:
        if columns == 0:  # a terminal that does not know its size
            shown._emulator.resize(5, 80)
        with ProgressLine(shown.stream, delay=0) as line:
            for progress in (STARTING, READING, FINISHING):
                show(line, progress)
                assert len(shown.seen()) == min(1, max(columns - 1, columns == 0))
        assert shown.seen() == []


def test_the_line_follows_the_size_of_the_terminal() -> None:
    with screen(200) as shown, ProgressLine(shown.stream, delay=0) as line:
        show(line, READING)
        assert len(shown.seen()[0]) == 79
        shown.resize(30)
        show(line, READING)
        assert shown.seen() == ["reading 25.0 MB of 100.0 MB"]
        shown.resize(13)
        show(line, READING)
        assert shown.seen() == ["reading 25%"]


def test_nothing_is_written_off_a_terminal() -> None:
    file = io.StringIO()
    for stream in (file, None):  # closed standard streams are None
        with ProgressLine(stream, delay=0) as line:
            show(line, READING)
    assert file.getvalue() == ""


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_nothing_is_written_to_a_terminal_that_cannot_erase(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", kind)
    with screen() as shown, ProgressLine(shown.stream, delay=0) as line:
        show(line, READING)
        assert shown.seen() == []


def test_a_terminal_that_is_gone_does_not_matter() -> None:
    shown = Screen(80)
    with ProgressLine(shown.stream, delay=0) as line:
        show(line, READING)
        shown.hang_up()
        show(line, READING)


def test_a_terminal_without_lines_has_signs() -> None:
    with screen() as shown:
        shown.stream.reconfigure(encoding="ascii")  # type: ignore[attr-defined]
        with ProgressLine(shown.stream, delay=0) as line:
            show(line, READING)
            assert shown.seen()[0].startswith("reading #######-")


snapshots = st.builds(
    ProgressSnapshot,
    st.integers(0, 10**15),
    st.just(1),
    st.none() | st.integers(0, 10**15),
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
)


@given(snapshots, st.floats(0, 2e6), st.integers(0, 200))
def test_any_line_fits_and_says_what_is_being_done(
    progress: ProgressSnapshot, now: float, width: int
) -> None:
    line = line_of(progress, began=0.0, now=now, width=width)
    assert len(line) <= width
    assert line.startswith(stage_of(progress)[:width])


def test_no_more_is_shown_than_there_is() -> None:
    twice = READING._replace(bytes_read=101_000_000)  # what was read twice counts twice
    assert "101" not in line_of(twice, began=0.0, now=3.0, width=80)


def test_no_rate_is_shown_before_it_says_something() -> None:
    little = READING._replace(bytes_read=500_000)
    assert line_of(little, began=0.0, now=10.9, width=60).endswith("─ 500.0 kB of 100.0 MB")
    assert line_of(little, began=0.0, now=11.0, width=60).endswith(", 50.0 kB/s, 33:10 left")
    enough = READING._replace(bytes_read=1_000_000)
    assert line_of(enough, began=0.0, now=2.0, width=60).endswith(", 1.0 MB/s, 1:39 left")


def test_the_stage_follows_from_the_snapshot() -> None:
    snapshots = [
        ProgressSnapshot(),
        ProgressSnapshot(0, 1, 10, listed_at=1.0),
        ProgressSnapshot(5, 1, 10, 1.0, 1.0, 2.0),
        ProgressSnapshot(5, None, None, None, 1.0, 2.0),
        ProgressSnapshot(10, 1, 10, 1.0, 1.0, 3.0),
    ]
    stages = ["starting", "reading", "reading", "reading", "finishing"]
    assert [stage_of(snapshot) for snapshot in snapshots] == stages
