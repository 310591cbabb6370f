"""The live line says how far a run is, on a terminal only, and is gone when the run is."""

import io
import re

import pytest
from rich.console import Console

from beam_pipeline.monitor.progress_line import progress_line, stage_of
from beam_pipeline.monitor.read_progress import ProgressSnapshot
from beam_pipeline.monitor.watch import RunMonitor


def watch(level: ProgressSnapshot) -> RunMonitor:
    """A run whose readers have told so much."""
    seen = RunMonitor("somewhere")
    seen.level = level
    return seen


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    """A console, and all that is written to it."""
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=100, color_system=None), file


def test_bytes_done_of_bytes_known_are_shown() -> None:
    shown, file = console(terminal=True)
    with progress_line(shown) as show:
        show(watch(ProgressSnapshot()))
        assert "starting" in file.getvalue()
        show(watch(ProgressSnapshot(25_000_000, 3, 100_000_000, 1.0, 1.0, 2.0)))
        assert re.search(r"reading .*25\.0/100\.0 MB", file.getvalue())
        show(watch(ProgressSnapshot(100_000_000, 3, 100_000_000, 1.0, 1.0, 3.0)))
        assert re.search(r"finishing .*100\.0/100\.0 MB", file.getvalue())


def test_never_more_is_done_than_there_is() -> None:
    shown, file = console(terminal=True)
    with progress_line(shown) as show:
        show(watch(ProgressSnapshot(101_000_000, 3, 100_000_000, 1.0, 1.0, 3.0)))
    assert "100.0/100.0 MB" in file.getvalue()
    assert "101" not in file.getvalue()


def test_the_line_is_gone_when_the_run_is() -> None:
    shown, file = console(terminal=True)
    with progress_line(shown) as show:
        show(watch(ProgressSnapshot(1, 1, 2, 1.0, 1.0, 1.0)))
    erased = file.getvalue().rindex("\x1b[2K")  # the last line on the screen, and its cursor
    assert not file.getvalue()[erased + len("\x1b[2K") :].strip()
    assert file.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_the_line_is_gone_when_the_run_fails() -> None:
    shown, file = console(terminal=True)
    with pytest.raises(ZeroDivisionError), progress_line(shown):
        raise ZeroDivisionError
    assert file.getvalue().count("\x1b[?25h") == 1


def test_nothing_is_written_where_no_terminal_is() -> None:
    shown, file = console(terminal=False)
    with progress_line(shown) as show:
        show(watch(ProgressSnapshot(1, 1, 2, 1.0, 1.0, 1.0)))
    assert file.getvalue() == ""


def test_stages_follow_from_what_is_known() -> None:
    levels = [
        ProgressSnapshot(),
        ProgressSnapshot(0, 1, 10, planned=1.0),
        ProgressSnapshot(5, 1, 10, 1.0, 1.0, 2.0),
        ProgressSnapshot(5, None, None, None, 1.0, 2.0),
        ProgressSnapshot(10, 1, 10, 1.0, 1.0, 3.0),
    ]
    stages = ["starting", "reading", "reading", "reading", "finishing"]
    assert [stage_of(watch(level)) for level in levels] == stages
