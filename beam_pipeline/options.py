"""The command line: our options beside Beam's, and the check of what a user gave."""

import argparse
import difflib
import os
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NoReturn

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    StandardOptions,
    _BeamArgumentParser,
)

from beam_pipeline.cases import CASE_NAMES
from beam_pipeline.flink_options import FlinkJobServerOptions  # noqa: F401  # registers itself
from beam_pipeline.pipeline import ENGINES
from beam_pipeline.sinks import FORMATS
from beam_pipeline.sources import STDIN
from transforms.encoding import ERROR_POLICIES, Encoding
from transforms.errors import AnagramError
from transforms.text import NORMALIZATIONS

STDOUT = "-"
#: Beam's in-process runner. `DirectRunner` would first try to download another one.
LOCAL_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = ("FnApiRunner", "BundleBasedDirectRunner", "PrismRunner")


class UsageError(AnagramError):
    """The command line is wrong; nothing has run."""


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


class AnagramOptions(PipelineOptions):
    """The options of ``python -m beam_pipeline``."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument_group("anagram counts").add_argument
        add(
            "--input",
            action="append",
            metavar="PATTERN",
            help="a file, glob (** too) or folder of any Beam filesystem, plain or compressed "
            "(gz, bz2, zst, xz, deflate); - is standard input; may be repeated",
        )
        add("--text", metavar="STRING", help="the text itself, instead of --input")
        add(
            "--output",
            metavar="PATH",
            help="the result's file; standard output when omitted or -",
        )
        add(
            "--output_format",
            choices=tuple(FORMATS),
            help="by default what the extension of --output says, else json",
        )
        add(
            "--num_shards",
            type=_positive,
            default=1,
            metavar="N",
            help="more than 1: write PATH-00000-of-0000N and so on (default: 1)",
        )
        add(
            "--dictionary",
            default="gcide",
            metavar="SPEC",
            help="gcide, web2, a+b for both of them, the path of a word list (text or JSON), or "
            "none for the words of the text itself (default: gcide)",
        )
        add(
            "--normalization",
            choices=NORMALIZATIONS,
            default="unicode",
            help="how text becomes words (default: unicode)",
        )
        add(
            "--encoding",
            default="utf-8",
            metavar="CODEC",
            help="of the input files (default: utf-8)",
        )
        add(
            "--encoding_errors",
            choices=ERROR_POLICIES,
            default="replace",
            help="undecodable bytes: leave them out, or fail (default: replace)",
        )
        add(
            "--min_word_length",
            type=_positive,
            default=1,
            metavar="N",
            help="leave out shorter words",
        )
        add(
            "--min_class_size",
            type=_positive,
            default=1,
            metavar="N",
            help="leave out anagram classes with fewer members",
        )
        add(
            "--min_count",
            type=_positive,
            default=1,
            metavar="N",
            help="leave out words counted less often",
        )
        add(
            "--top",
            type=_positive,
            metavar="N",
            help="only the N greatest counts; of equal ones the alphabetically first",
        )
        add(
            "--engine",
            choices=ENGINES,
            default=ENGINES[0],
            help="elementwise: each word is an element; vectorized (default): blocks of text are "
            "tallied in compiled code; the results are equal",
        )
        add(
            "--test_case",
            choices=(*CASE_NAMES, "all"),
            help="run the built-in cases, compare with what is expected, exit 1 on a difference",
        )
        add("--verbose", action="store_true", help="show Beam's log and tracebacks")


class _Parser(_BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def _own_parser() -> argparse.ArgumentParser:
    """A parser of our own options, without Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipeline",
        description="Counts anagrams: for every dictionary word, how many words of the text are "
        "anagrams of it.",
        epilog="Beam's own options (--runner, --direct_num_workers, ...) are accepted too: "
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
    runner = _runner_called(options.view_as(StandardOptions).runner or LOCAL_RUNNER)
    options.view_as(StandardOptions).runner = runner
    _refuse(unknown, known, local=is_local(runner))
    _check(options, local=is_local(runner))
    return options


def _runner_called(name: str) -> str:
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
    name, equals, value = argument.partition("=")
    return _spelt(name) + equals + value if _spelt(name) in known else argument


def _spelt(name: str) -> str:
    return "--" + name.lstrip("-").replace("-", "_") if name.startswith("--") else name


def _refuse(unknown: Sequence[str], known: Sequence[str], *, local: bool) -> None:
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
        close = difflib.get_close_matches(_spelt(name), known, 1, 0.7 if local else 0.8)
        if close or local:
            hint = f"; did you mean {close[0]}?" if close else "; see --help"
            raise UsageError(f"unknown option {name}{hint}")
        after_option = not equals


def _check(options: AnagramOptions, *, local: bool) -> None:
    """Checks what can be checked without running, and fills in what depends on other options."""
    if options.test_case:
        for name in ("input", "text", "output"):
            if getattr(options, name) is not None:
                raise UsageError(f"--test_case brings its own text and output: leave out --{name}")
    elif options.input and options.text is not None:
        raise UsageError("--input and --text: give only one of them")
    elif not options.input and options.text is None:
        raise UsageError("no input: give --input, --text or --test_case (see --help)")
    if (options.input or []).count(STDIN) > 1:
        raise UsageError("--input=-: standard input can be read once only")
    try:
        Encoding(options.encoding)
    except ValueError as error:
        raise UsageError(f"--encoding={options.encoding}: {error}") from None
    _check_output(options, local=local)


def _check_output(options: AnagramOptions, *, local: bool) -> None:
    if options.output == STDOUT:
        options.output = None
    if options.output is None:
        if options.num_shards > 1:
            raise UsageError(f"--num_shards={options.num_shards}: needs --output=PATH")
        if not local:
            raise UsageError("--output: a remote runner cannot write to standard output")
        options.output_format = options.output_format or "json"
        return
    compression = CompressionTypes.detect_compression_type(options.output)
    suffixes = PurePosixPath(options.output).suffixes
    if compression != CompressionTypes.UNCOMPRESSED:
        suffixes.pop()
    if options.output_format is None:
        extension = suffixes[-1].removeprefix(".").lower() if suffixes else "json"
        if extension not in FORMATS:
            raise UsageError(
                f"--output={options.output}: the extension names no format; "
                f"give --output_format={{{','.join(FORMATS)}}}"
            )
        options.output_format = extension
    if options.output_format == "parquet" and compression != CompressionTypes.UNCOMPRESSED:
        raise UsageError(f"--output={options.output}: Parquet files are compressed inside")
    if FileSystems.get_scheme(options.output) is None:
        _check_writable(options.output)


def _check_writable(path: str) -> None:
    if os.path.isdir(path):
        raise UsageError(f"--output={path}: is a folder")
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"--output={path}: is not a regular file")
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise UsageError(f"--output={path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--output={path}: no permission to write in {folder}")
