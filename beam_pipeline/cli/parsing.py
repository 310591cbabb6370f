"""The command line -> checked options; what no option takes is refused."""

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import (
    PipelineOptions,
    StandardOptions,
    _BeamArgumentParser,
)

from beam_pipeline.cli.validation import validate
from beam_pipeline.errors import UsageError
from beam_pipeline.flags import canonical_flag
from beam_pipeline.options import AnagramOptions

#: Beam's in-process runner. `DirectRunner` would first try to download another one.
LOCAL_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = ("FnApiRunner", "BundleBasedDirectRunner", "PrismRunner")


class _Parser(_BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


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
    parser = _full_parser()
    known = list(parser._option_string_actions)
    flags = [_underscored(argument, known) for argument in argv]
    _, unknown = parser.parse_known_args(flags)
    options = AnagramOptions(flags)
    runner = _resolve_runner(options.view_as(StandardOptions).runner or LOCAL_RUNNER)
    options.view_as(StandardOptions).runner = runner
    _reject_unknown(unknown, known, local=is_local(runner))
    validate(options, local=is_local(runner))
    return options


def _resolve_runner(name: str) -> str:
    """The runner that ``--runner=name`` means, as Beam understands names."""
    if "." in name:
        return name  # somebody's own class
    known = {path.rsplit(".", 1)[-1].lower(): path for path in StandardOptions.ALL_KNOWN_RUNNERS}
    known["fnapirunner"] = LOCAL_RUNNER
    path = known.get(name.lower()) or known.get(name.lower() + "runner")
    if path is None:
        names = sorted(path.rsplit(".", 1)[-1] for path in known.values())
        raise UsageError(f"--runner={name}: not one of {', '.join(names)}")
    called = path.rsplit(".", 1)[-1]
    return LOCAL_RUNNER if called in ("DirectRunner", "SwitchingDirectRunner") else called


def is_local(runner: str) -> bool:
    """Whether `runner` runs in this process or in children that share its files."""
    return runner.rsplit(".", maxsplit=1)[-1] in _LOCAL_RUNNERS


def _full_parser() -> "_Parser":
    parser = _Parser(allow_abbrev=False, add_help=False)
    for options_class in PipelineOptions.__subclasses__():
        options_class._add_argparse_args(parser)
    return parser


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
