"""The live line shows how far a run is, on a terminal only, and is removed at its end."""

import io
import re

import pytest
from rich.console import Console

from beam_pipeline.monitor.progress_line import progress_line, stage_of
from beam_pipeline.monitor.read_progress import ProgressSnapshot


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    """A console, and all that is written to it."""
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=100, color_system=None), file


def test_bytes_read_and_their_total_are_shown() -> None:
    shown, file = console(terminal=True)
    with progress_line(shown) as show:
        show(ProgressSnapshot())
        assert "starting" in file.getvalue()
        show(ProgressSnapshot(25_000_000, 3, 100_000_000, 1.0, 1.0, 2.0))
        assert re.search(r"reading .*25\.0/100\.0 MB", file.getvalue())
        show(ProgressSnapshot(100_000_000, 3, 100_000_000, 1.0, 1.0, 3.0))
        assert re.search(r"finishing .*100\.0/100\.0 MB", file.getvalue())


def test_no_more_is_shown_than_there_is() -> None:
    shown, file = console(terminal=True)
    with progress_line(shown) as show:
        show(ProgressSnapshot(101_000_000, 3, 100_000_000, 1.0, 1.0, 3.0))
    assert "100.0/100.0 MB" in file.getvalue()
    assert "101" not in file.getvalue()


def test_the_line_is_removed_at_the_end() -> None:
    shown, file = console(terminal=True)
    with progress_line(shown) as show:
        show(ProgressSnapshot(1, 1, 2, 1.0, 1.0, 1.0))
    erased = file.getvalue().rindex("\x1b[2K")  # the last line on the screen, and its cursor
    assert not file.getvalue()[erased + len("\x1b[2K") :].strip()
    assert file.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_the_line_is_removed_when_the_run_fails() -> None:
    shown, file = console(terminal=True)
    with pytest.raises(ZeroDivisionError), progress_line(shown):
        raise ZeroDivisionError
    assert file.getvalue().count("\x1b[?25h") == 1


def test_nothing_is_written_off_a_terminal() -> None:
    shown, file = console(terminal=False)
    with progress_line(shown) as show:
        show(ProgressSnapshot(1, 1, 2, 1.0, 1.0, 1.0))
    assert file.getvalue() == ""


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
