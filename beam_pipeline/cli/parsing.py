"""Turns the arguments of the command line into options: parses, checks and completes them."""

import argparse
import difflib
import os
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import StandardOptions

from beam_pipeline.cli.completion import complete
from beam_pipeline.cli.paths import expand_paths
from beam_pipeline.cli.replay import COMMAND as REPLAY
from beam_pipeline.cli.single_values import ACTIONS
from beam_pipeline.cli.validation import validate
from beam_pipeline.cli.version import FLAG as VERSION
from beam_pipeline.errors import UsageError
from beam_pipeline.flags import canonical_flag
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import flink_options, worker_options  # noqa: F401  # declare options
from beam_pipeline.runners.beam_internals import options_parser
from beam_pipeline.runners.names import (
    check_runs_streams,
    default_runner,
    is_local,
    resolve_runner,
)

# How similar an unknown option must be to a known one to be treated as a misspelling. The job
# server of a remote runner may have its own options, so for it only very similar ones are refused.
_SIMILAR_LOCALLY, _SIMILAR_REMOTELY = 0.7, 0.8
# Names of some options in other programs.
_ELSEWHERE = {"-V": "--version", "-?": "--help", "--usage": "--help"}
#: The command that compares reports; see `beam_pipeline.cli.compare_reports`.
COMPARE_REPORTS = "compare-reports"
# The commands, which come before all options, with their arguments.
_COMMANDS = {REPLAY: "DEAD_LETTERS", COMPARE_REPORTS: "BEFORE AFTER"}
#: The options that print something about the program, and run nothing.
INFORMATION = ("--help", VERSION)


def parse(argv: Sequence[str]) -> AnagramOptions:
    """Returns the validated and complete options of a command line.

    Raises:
      UsageError: an argument is invalid. For a misspelt option, the message has the right name.
    """
    options, known, unknown = _parsed(argv)
    expand_paths(options)
    runner = resolve_runner(options.view_as(StandardOptions).runner or default_runner(options))
    local = is_local(runner)
    _reject_unknown(unknown, known, local=local)
    validate(options, local=local)
    check_runs_streams(options, runner)
    complete(options, runner=runner)
    return options


def use_filesystem_options(argv: Sequence[str]) -> AnagramOptions:
    """Sets the options of Beam's filesystems, for files that are read before options are complete.

    Returns:
      The options as given.

    Raises:
      UsageError: the value of an argument is invalid.
    """
    return _parsed(argv)[0]


def _parsed(argv: Sequence[str]) -> tuple[AnagramOptions, list[str], list[str]]:
    """Returns the options as given, all known flags, and the unknown arguments.

    Also sets these options for Beam's filesystems. Beam does so only when a pipeline is made, but
    dictionaries, dead letters and results to merge are read before.
    """
    parser = options_parser(_fail, ACTIONS)
    known = list(parser._option_string_actions)
    flags = [_canonical(argument, known) for argument in argv]
    _, unknown = parser.parse_known_args(flags)
    options = AnagramOptions(flags)
    FileSystems.set_options(options)
    return options, known, unknown


def help_text() -> str:
    """Returns what ``--help`` prints: our own options, without Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipeline",
        usage="%(prog)s (--text STRING | --input PATTERN | replay DEAD_LETTERS) [options]",
        description="Counts anagrams: for every dictionary word, how many words of the text are "
        "anagrams of it.",
        epilog="'replay DEAD_LETTERS' instead of an input processes again what an earlier run has "
        f"written to --dead_letters. '{COMPARE_REPORTS} BEFORE AFTER' says what differs between "
        "two reports of runs, and has a --help of its own. Beam's own options (--runner, "
        "--direct_num_workers, ...) are accepted too: https://beam.apache.org/documentation/runners/direct/",
        add_help=False,
    )
    AnagramOptions._add_argparse_args(parser)
    add = parser.add_argument_group("information").add_argument
    add("-h", "--help", action="store_true", help="print this text")
    add(VERSION, action="store_true", help="print the versions of the program, Beam and Python")
    return parser.format_help()


def _fail(message: str) -> NoReturn:
    raise UsageError(message.removeprefix("argument "))


def _canonical(argument: str, known: Sequence[str]) -> str:
    """Returns an argument with underscores if that makes it a known option."""
    spelled = canonical_flag(argument)
    return spelled if spelled.partition("=")[0] in known else argument


def _reject_unknown(unknown: Sequence[str], known: Sequence[str], *, local: bool) -> None:
    """Raises an error for arguments that belong to no option; Beam itself would only warn.

    Args:
      unknown: the arguments that the parser does not know.
      known: all options.
      local: whether the runner runs on this machine.
    """
    after_option = False
    for argument in unknown:
        name, equals, _ = argument.partition("=")
        if not name.startswith("-"):
            if after_option:
                after_option = False
                continue
            raise UsageError(f"unexpected argument {argument!r}{_hint_for_word(argument)}")
        meant = _option_like(name, [*known, *INFORMATION], local=local)
        if meant or local:
            hint = f"did you mean {meant}?" if meant else "see --help"
            raise UsageError(f"unknown option {name}; {hint}")
        after_option = not equals


def _option_like(name: str, known: Sequence[str], *, local: bool) -> str | None:
    """Returns the option that the user may have meant, or None.

    Options cannot be abbreviated, because a later version may have another one that begins alike.
    """
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    spelled = canonical_flag(f"--{name.lstrip('-')}")
    if local and spelled != "--":
        for flag in (*_own_flags(), *INFORMATION):
            if flag.startswith(spelled):
                return flag
    similarity = _SIMILAR_LOCALLY if local else _SIMILAR_REMOTELY
    close = difflib.get_close_matches(spelled, known, 1, similarity)
    return close[0] if close else None


def _hint_for_word(word: str) -> str:
    """Returns a suggestion for a word that does not belong to an option."""
    if word in _COMMANDS:
        return f"; {word} {_COMMANDS[word]} comes before all options"
    is_path = os.path.exists(word) or any(sign in word for sign in "./*?~")
    spelled = word.lower().replace("_", "-")
    if not is_path and (
        commands := difflib.get_close_matches(spelled, _COMMANDS, 1, _SIMILAR_REMOTELY)
    ):
        return f"; did you mean {commands[0]} {_COMMANDS[commands[0]]}, before all options?"
    if not is_path and (
        meant := _option_like(f"--{word}", [*_own_flags(), *INFORMATION], local=False)
    ):
        return f"; did you mean {meant}?"
    return f"; did you mean {'' if is_path else f'--text={word} or '}--input={word}?"


def _own_flags() -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    AnagramOptions._add_argparse_args(parser)
    return list(parser._option_string_actions)
