"""Turns the arguments of the command line into options: parses, checks and completes them."""

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import StandardOptions

from beam_pipeline.cli.completion import complete
from beam_pipeline.cli.paths import expand_paths
from beam_pipeline.cli.validation import validate
from beam_pipeline.errors import UsageError
from beam_pipeline.flags import canonical_flag
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import flink_options  # noqa: F401  # declares options
from beam_pipeline.runners.beam_internals import options_parser
from beam_pipeline.runners.names import LOCAL_RUNNER, is_local, resolve_runner

# How similar an unknown option must be to a known one to be taken for a misspelling of it. The job
# server of a remote runner may have options of its own, so only close ones are refused for it.
_SIMILAR_LOCALLY, _SIMILAR_REMOTELY = 0.7, 0.8


def parse(argv: Sequence[str]) -> AnagramOptions:
    """Returns the options that the arguments of the command line give, checked and complete.

    Raises:
      UsageError: an argument is not possible. For a misspelt option, the message has the right
        name.
    """
    parser = options_parser(_fail)
    known = list(parser._option_string_actions)
    flags = [_canonical(argument, known) for argument in argv]
    _, unknown = parser.parse_known_args(flags)
    options = AnagramOptions(flags)
    expand_paths(options)
    runner = resolve_runner(options.view_as(StandardOptions).runner or LOCAL_RUNNER)
    local = is_local(runner)
    _reject_unknown(unknown, known, local=local)
    validate(options, local=local)
    complete(options, runner=runner)
    return options


def help_text() -> str:
    """Returns what ``--help`` prints: our own options, without Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipeline",
        description="Counts anagrams: for every dictionary word, how many words of the text are "
        "anagrams of it.",
        epilog="'replay DEAD_LETTERS' instead of an input processes again what an earlier run has "
        "written to --dead_letters. Beam's own options (--runner, --direct_num_workers, ...) are "
        "accepted too: https://beam.apache.org/documentation/runners/direct/",
        add_help=False,
    )
    AnagramOptions._add_argparse_args(parser)
    return parser.format_help()


def _fail(message: str) -> NoReturn:
    raise UsageError(message.removeprefix("argument "))


def _canonical(argument: str, known: Sequence[str]) -> str:
    """Spells an argument with underscores if that makes it a known option."""
    spelled = canonical_flag(argument)
    return spelled if spelled.partition("=")[0] in known else argument


def _reject_unknown(unknown: Sequence[str], known: Sequence[str], *, local: bool) -> None:
    """Raises an error for arguments that belong to no option; Beam itself would only warn.

    Args:
      unknown: what the parser has left over.
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
            raise UsageError(f"unexpected argument {argument!r}; did you mean --input={argument}?")
        similarity = _SIMILAR_LOCALLY if local else _SIMILAR_REMOTELY
        close = difflib.get_close_matches(canonical_flag(name), known, 1, similarity)
        if close or local:
            hint = f"; did you mean {close[0]}?" if close else "; see --help"
            raise UsageError(f"unknown option {name}{hint}")
        after_option = not equals
