"""No option is given twice, shortened or misspelt without a word about it."""

import argparse
import platform
from typing import NoReturn

import pytest

from beam_pipeline.cli.messages import message_of
from beam_pipeline.cli.parsing import help_text, parse
from beam_pipeline.cli.single_values import ACTIONS
from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.beam_internals import options_parser
from tests.support.cli import Here


def error_of(*arguments: str) -> str:
    """The message of the error that the arguments are."""
    with pytest.raises(UsageError) as caught:
        parse(["--text=cat", *arguments])
    return message_of(caught.value)


def message_is_an_error(message: str) -> NoReturn:
    raise UsageError(message)


def declared() -> list[argparse.Action]:
    """All options, ours and Beam's, as they were declared."""
    return options_parser(message_is_an_error)._actions


SINGLE = [action for action in declared() if isinstance(action, argparse._StoreAction)]
REPEATABLE = [action for action in declared() if isinstance(action, argparse._AppendAction)]


def value_of(action: argparse.Action) -> str:
    """A value that the option accepts."""
    if action.choices:
        return str(next(iter(action.choices)))
    for value in ("1", "{}", "a.json"):
        try:
            if action.type is None or (callable(action.type) and action.type(value) is not None):
                return value
        except (ValueError, TypeError, argparse.ArgumentTypeError):
            pass
    raise AssertionError(action)


@pytest.mark.parametrize("action", SINGLE, ids=lambda action: action.option_strings[0])
def test_no_option_with_one_value_may_be_given_twice(action: argparse.Action) -> None:
    parser = options_parser(message_is_an_error, ACTIONS)
    first, *_, last = [*action.option_strings, action.option_strings[-1]]
    value = value_of(action)
    parser.parse_known_args([f"{first}={value}"])
    with pytest.raises(UsageError) as caught:
        parser.parse_known_args([f"{first}={value}", f"{last}={value}"])
    assert f"{first}=" in str(caught.value)
    assert f" and {last}=" in str(caught.value)


def test_there_are_options_to_check() -> None:
    assert len(SINGLE) > 100
    assert {"--input", "--report", "--label"} <= {action.option_strings[0] for action in REPEATABLE}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=a", "--output=b"], "--output=a and --output=b: give only one"),
        (["--output=a", "--output", "a"], "--output=a and --output=a: give only one"),
        (["--top", "1", "--top=2"], "--top=1 and --top=2: give only one"),
        (
            ["--output-format=csv", "--output_format", "json"],
            "--output_format=csv and --output_format=json: give only one",
        ),
        (["--text=dog"], "--text=cat and --text=dog: give only one"),
        (["--runner=Prism", "--runner=Flink"], "--runner=Prism and --runner=Flink: give only one"),
        (
            ["--machine_type=a", "--worker_machine_type=b"],
            "--machine_type=a and --worker_machine_type=b: give only one",
        ),
        (["--progress", "--no_progress"], "--progress and --no_progress: give only one"),
        (["--no-progress", "--progress"], "--no_progress and --progress: give only one"),
        (
            ["--use_public_ips", "--no_use_public_ips"],
            "--use_public_ips and --no_use_public_ips: give only one",
        ),
        (
            ["--s3_secret_access_key=hush", "--s3_secret_access_key=hushed"],
            "--s3_secret_access_key=*** and --s3_secret_access_key=***: give only one",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_error_names_both_values(arguments: list[str], message: str) -> None:
    assert error_of(*arguments) == message


def test_options_that_take_many_values_may_be_repeated() -> None:
    options = parse(
        [
            *("--input=pyproject.toml", "--input=README.md", "--report=a.html", "--report=b.json"),
            *("--experiments=a", "--experiments=b,c", "--verbose", "--verbose", "--no_progress"),
        ]
    )
    assert options.input == ["pyproject.toml", "README.md"]
    assert options.report == ["a.html", "b.json"]
    assert options.get_all_options()["experiments"] == ["a", "b", "c"]
    assert parse(["--text=cat"]).report == []


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        *[("--outp", "--output"), ("--dict=web2", "--dictionary"), ("--min", "--min_word_length")],
        *[("--helpp", "--help"), ("--hlep", "--help"), ("--verison", "--version")],
        *[("--Version", "--version"), ("-V", "--version"), ("-v", "--verbose"), ("-o", "--output")],
        *[("-output=x.json", "--output"), ("-input", "--input"), ("--usage", "--help")],
        *[("--inptu=a", "--input"), ("--output.format=csv", "--output_format")],
    ],
)
def test_an_unknown_option_leads_to_the_one_that_is_meant(argument: str, meant: str) -> None:
    name = argument.partition("=")[0]
    assert error_of(argument) == f"unknown option {name}; did you mean {meant}?"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        *[("help", "did you mean --help?"), ("version", "did you mean --version?")],
        *[("hepl", "did you mean --help?"), ("dictionary", "did you mean --dictionary?")],
        ("pyproject.toml", "did you mean --input=pyproject.toml?"),
        ("nothing/*.txt", "did you mean --input=nothing/*.txt?"),
        ("stray", "did you mean --text=stray or --input=stray?"),
        ("replay", "replay DEAD_LETTERS comes before all options"),
        ("repaly", "did you mean replay DEAD_LETTERS, before all options?"),
        ("compare_report", "did you mean compare-reports BEFORE AFTER, before all options?"),
    ],
)
def test_a_stray_word_leads_to_the_option_that_is_meant(word: str, hint: str) -> None:
    assert error_of(word) == f"unexpected argument {word!r}; {hint}"


def test_help_has_all_our_options_and_fits_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    AnagramOptions._add_argparse_args(parser)
    for columns in ("40", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        text = help_text()
        for action in parser._actions:
            if action.help != argparse.SUPPRESS:
                assert f"  {action.option_strings[0]}" in text
                urls = {word for word in (action.help or "").split() if "://" in word}
                assert columns == "40" or urls <= set(text.split()), "a URL is broken in two"
        assert "  -h, --help" in text
        assert "  --version" in text


@pytest.mark.parametrize("arguments", [["--version"], ["--text=cat", "--version"]])
def test_the_version_is_one_line(
    arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    finished = Here(capfdbinary)(*arguments)
    assert (finished.code, finished.err) == (0, "")
    words = finished.out.decode().split()
    assert words[0] == "beam-anagrams"
    assert words[2:4] == ["Apache", "Beam"]
    assert words[5:] == ["Python", platform.python_version()]
