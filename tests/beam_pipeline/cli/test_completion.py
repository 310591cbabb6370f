"""Options are checked as they were given, and then completed in one place."""

import os
import sys
from typing import Any

import pytest
from apache_beam.options.pipeline_options import StandardOptions

from beam_pipeline.cli.completion import complete, options_of_case
from beam_pipeline.cli.parsing import parse
from beam_pipeline.cli.validation import validate
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.names import LOCAL_RUNNER


def all_values(options: AnagramOptions) -> dict[str, Any]:
    return dict(options.get_all_options())


def completed(*arguments: str, runner: str = LOCAL_RUNNER) -> AnagramOptions:
    options = AnagramOptions(list(arguments))
    complete(options, runner=runner)
    return options


@pytest.mark.parametrize(
    ("arguments", "output", "output_format"),
    [
        ([], None, "json"),
        (["--output=-"], None, "json"),
        (["--output=-", "--output_format=csv"], None, "csv"),
        (["--output=a.csv"], "a.csv", "csv"),
        (["--output=a.csv.gz"], "a.csv.gz", "csv"),
        (["--output=a"], "a", "json"),
        (["--output=a.txt", "--output_format=jsonl"], "a.txt", "jsonl"),
    ],
)
def test_output_and_format_follow_from_each_other(
    arguments: list[str], output: str | None, output_format: str
) -> None:
    options = completed("--text=cat", *arguments)
    assert (options.output, options.output_format) == (output, output_format)


@pytest.mark.parametrize(
    ("arguments", "runner", "expected"),
    [
        ([], LOCAL_RUNNER, True),
        ([], "FlinkRunner", False),
        (["--verbose"], LOCAL_RUNNER, False),
        (["--log_format=json"], LOCAL_RUNNER, False),
        (["--test_case=small"], LOCAL_RUNNER, False),
        (["--no_progress"], LOCAL_RUNNER, False),
        (["--verbose", "--progress"], LOCAL_RUNNER, True),
    ],
)
def test_progress_is_shown_on_a_terminal_where_nothing_else_is(
    arguments: list[str], runner: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert bool(completed(*arguments, runner=runner).progress) is expected
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert bool(completed(*arguments, runner=runner).progress) is ("--progress" in arguments)


def test_the_runner_is_the_one_that_is_meant() -> None:
    assert parse(["--text=cat"]).view_as(StandardOptions).runner == LOCAL_RUNNER
    assert parse(["--text=cat", "--runner=direct"]).view_as(StandardOptions).runner == LOCAL_RUNNER


def test_what_is_complete_stays_as_it_is() -> None:
    options = parse(["--text=cat", "--output=-"])
    before = all_values(options)
    complete(options, runner=LOCAL_RUNNER)
    assert all_values(options) == before


@pytest.mark.parametrize(
    "arguments", [["--text=cat"], ["--text=cat", "--output=-"], ["--test_case=small"]]
)
def test_checking_changes_nothing(arguments: list[str]) -> None:
    options = AnagramOptions(arguments)
    before = all_values(options)
    validate(options, local=True)
    assert all_values(options) == before


def test_the_options_of_a_case_are_a_copy_with_its_text_and_output() -> None:
    options = parse(["--test_case=all", "--engine=elementwise", "--direct_num_workers=2"])
    before = all_values(options)
    of_case = options_of_case(options, "cat", os.devnull)
    assert all_values(of_case) == before | {
        "test_case": None,
        "text": "cat",
        "output": os.devnull,
        "output_format": "json",
    }
    of_case.dictionary = "web2"
    of_case.view_as(StandardOptions).runner = "FlinkRunner"
    assert all_values(options) == before
