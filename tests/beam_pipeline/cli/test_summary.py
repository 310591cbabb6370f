"""The summary shows what is worth knowing, and no more."""

import contextlib
import io
import json
import os
from typing import Any
from unittest import mock

import pytest

from beam_pipeline.cli.summary import Summary, print_summary, to_lines
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
        print_summary(Summary(report, 3.2), as_json=as_json)
    return screen.getvalue()


def lines(report: RunReport, **where: Any) -> list[str]:
    return to_lines(Summary(report, 3.2, **where))


def large(**counters: int) -> RunReport:
    """A run over some megabytes."""
    return done(metrics={**done().metrics, **counters})


def small(**counters: int) -> RunReport:
    """A run over a few bytes."""
    return done(
        metrics={**done().metrics, "bytes_read": 20, **counters}, input=Input(("-",), 1, 20)
    )


LAST = "done in 3.2 s on FnApiRunner (in_memory, 2 threads)"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_tiny_run_is_one_line_anywhere(terminal: bool) -> None:
    assert printed(small(), terminal=terminal) == f"{LAST}\n"


def test_a_larger_run_has_figures_and_the_runner_last() -> None:
    assert lines(done()) == [
        "input: 40.0 MB in 3 files",
        "words: 4, 75.0% of them in 1 anagram class, 1 unmatched",
        f"{LAST}, 12.3 MB/s, peak memory 322.0 MB",
    ]


def test_the_time_is_that_of_the_whole_program() -> None:
    report = done(wall_seconds=1.0)
    assert to_lines(Summary(report, 4.25))[-1].startswith("done in 4.2 s on")
    assert json.loads(printed(report, as_json=True))["wall_seconds"] == 1.0


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({}, ""),
        ({"output": "c.json"}, "; result in c.json"),
        ({"output": "c.json", "reports": ["a.html"]}, "; result in c.json, report in a.html"),
        ({"reports": ["a.html", "b.json"]}, "; reports in a.html and b.json"),
        (
            {"output": "c.csv", "num_shards": 3},
            "; result in 3 shards, c.csv-00000-of-00003 to c.csv-00002-of-00003",
        ),
        ({"output": "\udcff.csv"}, "; result in \\udcff.csv"),
    ],
)
def test_the_summary_says_where_the_result_went(where: dict[str, Any], said: str) -> None:
    assert lines(small(), **where) == [f"{LAST}{said}"]
    assert lines(done(), **where)[-1] == f"{LAST}, 12.3 MB/s, peak memory 322.0 MB{said}"


def test_there_is_no_result_of_a_job_that_was_only_written_down() -> None:
    assert lines(failed(status="done"), output="gs://b/c.json") == ["done in 3.2 s on FlinkRunner"]


def test_what_went_wrong_is_shown_of_the_tiniest_run_too() -> None:
    report = small(retries=7, dead_letters=2, invalid_bytes=3)
    letters = DeadLetters("dead.jsonl", 2, {"read: OSError": 2})
    assert lines(done(metrics=report.metrics, dead_letters=letters))[:-1] == [
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
    assert "result" not in shown


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
        assert event["output"] is None
        assert event["reports"] == []
        assert set(COUNTERS) < set(event)


@pytest.mark.parametrize(
    ("report", "part"),
    [
        (small(invalid_bytes=1), "not valid text: 1 byte"),
        (small(invalid_bytes=2), "not valid text: 2 bytes"),
        (done(input=Input(("a",), 1, 1)), "input: 1 byte in 1 file"),
        (done(input=Input(("a", "b"), 2, 2)), "input: 2 bytes in 2 files"),
        (done(input=Input(("<text>",), 0, 3)), "input: 3 bytes"),
        (done(input=Input(("<text>",), None, 3)), "input: 3 bytes"),
        (large(classes=2), "words: 4, 75.0% of them in 2 anagram classes, 1 unmatched"),
        (large(words_matched=4, words_unmatched=0), "words: 4, all of them in 1 anagram class"),
        (large(words_matched=0, words_unmatched=4, classes=0), "words: 4, none of them matched"),
        (large(words=0, words_matched=0, words_unmatched=0, classes=0), "words: 0"),
        (
            large(words=100_000, words_matched=99_999, words_unmatched=1),
            "words: 100,000, 99.9% of them in 1 anagram class, 1 unmatched",
        ),
        (
            large(words=100_000, words_matched=1, words_unmatched=99_999),
            "words: 100,000, 0.1% of them in 1 anagram class, 99,999 unmatched",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_and_shares_are_said_right(report: RunReport, part: str) -> None:
    assert part in lines(report)


@pytest.mark.parametrize(
    ("rate", "shown"), [(1.23, "1 word/s"), (0.2, "0 words/s"), (1234.5, "1,234 words/s")]
)
def test_one_word_a_second_is_singular(rate: float, shown: str) -> None:
    assert f", {shown}" in printed(done(words_per_second=rate), terminal=True)


def test_what_is_not_known_is_left_out() -> None:
    assert lines(failed(status="done")) == ["done in 3.2 s on FlinkRunner"]
