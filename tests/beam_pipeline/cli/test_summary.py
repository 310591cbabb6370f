"""The summary shows what is worth knowing, and no more."""

import contextlib
import io
import json
import os
from unittest import mock

from beam_pipeline.cli.summary import print_summary, to_lines
from beam_pipeline.report.model import COUNTERS, DeadLetters, Input, RunReport
from tests.support.reports import done, failed


class Screen(io.StringIO):
    """Standard error as text, on a terminal or not."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


def printed(report: RunReport, *, terminal: bool = False, as_json: bool = False) -> str:
    """What a user sees of `report`, without colours."""
    screen = Screen()
    screen.is_terminal = terminal
    settings = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "xterm"}
    with contextlib.redirect_stderr(screen), mock.patch.dict(os.environ, settings):
        print_summary(report, as_json=as_json)
    return screen.getvalue()


def small(**counters: int) -> RunReport:
    """A run over a few bytes."""
    return done(
        metrics={**done().metrics, "bytes_read": 20, **counters}, input=Input(("-",), 1, 20)
    )


def test_a_tiny_run_off_a_terminal_is_one_line() -> None:
    assert printed(small()) == "done in 3.2 s on FnApiRunner (in_memory, 2 threads)\n"


def test_a_larger_run_has_figures_and_the_runner_last() -> None:
    assert to_lines(done()) == [
        "input: 40.0 MB in 3 files",
        "words: 4, 75.0% of them in 1 anagram class, 1 unmatched",
        "done in 3.2 s on FnApiRunner (in_memory, 2 threads), 12.3 MB/s, peak memory 322.0 MB",
    ]


def test_what_went_wrong_is_shown_of_the_tiniest_run_too() -> None:
    report = small(retries=7, dead_letters=2, invalid_bytes=3)
    letters = DeadLetters("dead.jsonl", 2, {"read: OSError": 2})
    lines = to_lines(done(metrics=report.metrics, dead_letters=letters))
    assert lines[:-1] == [
        "not valid text: 3 bytes",
        "retries: 7",
        "dead letters: 2 in dead.jsonl (read: OSError: 2)",
    ]


def test_a_terminal_has_a_table() -> None:
    shown = printed(done(), terminal=True)
    for part in (
        *("runner", "FnApiRunner (in_memory, 2 threads)", "40.0 MB in 3 files"),
        *("75.0%", "1 unmatched", "3.2 s", "12.3 MB/s", "322.0 MB"),
    ):
        assert part in shown
    assert "retries" not in shown
    assert "dead letters" not in shown


def test_square_brackets_are_not_markup() -> None:
    letters = DeadLetters("[red]dead[/].jsonl", 2, {})
    report = done(metrics={**done().metrics, "dead_letters": 2}, dead_letters=letters)
    for terminal in (True, False):
        assert "[red]dead[/].jsonl" in printed(report, terminal=terminal)


def test_machines_get_one_json_object_in_one_line() -> None:
    for report in (done(), failed()):
        text = printed(report, as_json=True)
        assert text.count("\n") == 1
        event = json.loads(text)
        assert event["event"] == report.status
        assert event["words"] == report.metrics["words"]
        assert set(COUNTERS) < set(event)


def test_one_is_singular() -> None:
    lines = to_lines(small(invalid_bytes=1))
    assert lines[0] == "not valid text: 1 byte"
    table = printed(done(metrics={**done().metrics, "classes": 2}), terminal=True)
    assert "in 2 anagram classes" in table


def test_what_is_not_known_is_left_out() -> None:
    assert to_lines(failed(status="done")) == ["done in 0.5 s on FlinkRunner"]
