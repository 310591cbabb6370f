"""The command line -> checked options; what no option takes is refused."""

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import StandardOptions

from beam_pipeline.cli.validation import validate
from beam_pipeline.errors import UsageError
from beam_pipeline.flags import canonical_flag
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import flink_options  # noqa: F401  # declares options
from beam_pipeline.runners.beam_internals import options_parser
from beam_pipeline.runners.names import LOCAL_RUNNER, is_local, resolve_runner


def _own_parser() -> argparse.ArgumentParser:
    """A parser of our own options, without Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipeline",
        description="Counts anagrams: for every dictionary word, how many words of the text are "
        "anagrams of it.",
        epilog="'replay DEAD_LETTERS' instead of an input runs again what --dead_letters has put "
        "aside. Beam's own options (--runner, --direct_num_workers, ...) are accepted too: "
        "https://beam.apache.org/documentation/runners/direct/",
        add_help=False,
    )
    AnagramOptions._add_argparse_args(parser)
    return parser


def help_text() -> str:
    """What ``--help`` prints: our own options."""
    return _own_parser().format_help()


def parse(argv: Sequence[str]) -> AnagramOptions:
    """Command-line arguments -> checked options, with the runner filled in.

    Raises:
      UsageError: naming the option and its value, and for a misspelt option the right name.
    """
    parser = options_parser(_fail)
    known = list(parser._option_string_actions)
    flags = [_underscored(argument, known) for argument in argv]
    _, unknown = parser.parse_known_args(flags)
    options = AnagramOptions(flags)
    runner = resolve_runner(options.view_as(StandardOptions).runner or LOCAL_RUNNER)
    options.view_as(StandardOptions).runner = runner
    _reject_unknown(unknown, known, local=is_local(runner))
    validate(options, local=is_local(runner))
    return options


def _fail(message: str) -> NoReturn:
    raise UsageError(message.removeprefix("argument "))


def _underscored(argument: str, known: Sequence[str]) -> str:
    """``--output-format=x`` -> ``--output_format=x``, where that is an option's name."""
    spelled = canonical_flag(argument)
    return spelled if spelled.partition("=")[0] in known else argument


def _reject_unknown(unknown: Sequence[str], known: Sequence[str], *, local: bool) -> None:
    """Refuses what no option takes; Beam itself would only warn."""
    after_option = False
    for argument in unknown:
        name, equals, _ = argument.partition("=")
        if not name.startswith("-"):
            if after_option:
                after_option = False
                continue
            raise UsageError(f"unexpected argument {argument!r}; did you mean --input={argument}?")
        # A remote runner's job server may know options of its own: refuse what looks misspelt.
        close = difflib.get_close_matches(canonical_flag(name), known, 1, 0.7 if local else 0.8)
        if close or local:
            hint = f"; did you mean {close[0]}?" if close else "; see --help"
            raise UsageError(f"unknown option {name}{hint}")
        after_option = not equals
