"""Our own options, which are parsed together with Beam's."""

import argparse
from typing import Any, TypeVar, cast

from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.cases import CASE_NAMES
from beam_pipeline.flags import duration, whole_number
from beam_pipeline.io.formats import FORMATS
from beam_pipeline.io.naming import MAX_SHARDS
from beam_pipeline.io.sorting import ORDERS
from beam_pipeline.io.streams import is_stream
from beam_pipeline.io.streams.windowing import Windowing
from beam_pipeline.pipeline import ENGINES
from transforms.stages.chaos import STAGES
from transforms.stages.retry import FAULT_POLICIES, Resilience
from transforms.text.encoding import ERROR_POLICIES
from transforms.text.normalize import NORMALIZATIONS, PUNCTUATION_RULES

OptionsT = TypeVar("OptionsT", bound=PipelineOptions)
LOG_FORMATS = ("text", "json")
#: What words can be counted by.
GROUPINGS = ("file",)
#: What can be told about a run outside of it.
TELEMETRY = ("openlineage", "opentelemetry")
#: The options whose values are paths or URLs, or lists of them.
PATHS = ("input", "output", "dictionary", "dead_letters", "merge", "replay", "report")
#: The options that each dead letter records, as they decide how its words are counted.
SETTINGS_OF_DEAD_LETTERS = (
    "dictionary",
    "dictionary_encoding",
    "normalization",
    "punctuation",
    "encoding",
    "encoding_errors",
    "min_word_length",
    "min_class_size",
    "min_count",
    "top",
    "group_by",
)


def _windowing(text: str) -> str:
    """Checks windows, an argparse type. Options hold the text, as it is sent to runners."""
    try:
        Windowing.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    return text


class AnagramOptions(PipelineOptions):
    """The options of ``python -m beam_pipeline``."""

    def view_as(self, cls: type[OptionsT]) -> OptionsT:
        """Returns a view of these options as `cls`, the same one each time.

        Beam asks for a view at each step of building a pipeline, hundreds of times, and makes an
        argument parser for each: a third of the processor time of a small run. All views share
        their values, so that one of each class is enough.
        """
        views: dict[type[PipelineOptions], Any] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return cast(OptionsT, views[cls])

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument_group("anagram counts").add_argument
        add(
            "--input",
            action="append",
            metavar="PATTERN",
            help="a file, glob (** too) or folder of any Beam filesystem, plain or compressed "
            "(gz, bz2, zst, xz under any name, deflate); - is standard input; may be repeated. "
            "Or a stream: kafka://HOST:PORT[,HOST:PORT]/TOPIC[?group=G&start=latest&until=now&delay=5"
            "&config=FILE], or pubsub://projects/P/subscriptions/S or .../topics/T "
            "[?timestamp=ATTRIBUTE]",
        )
        add("--text", metavar="STRING", help="the text itself, instead of --input")
        add(
            "--watch",
            type=duration,
            metavar="SECONDS",
            help="look for more files again and again, after so many seconds (or 5m, 1h), and read "
            "each once, when it has not been changed for as long; needs --window",
        )
        add(
            "--window",
            type=_windowing,
            metavar="WINDOW",
            help="of a stream: count windows of so many seconds (or 5m, 1h, 1d) of event time, "
            "sliding:SIZE:PERIOD, or session:GAP; --output is then a folder with a file for each",
        )
        add(
            "--allowed_lateness",
            type=duration,
            metavar="SECONDS",
            help="for how long messages that come after the end of their window are counted, in a "
            "file of their own (default: 0)",
        )
        add(
            "--output",
            metavar="PATH",
            help="the file of the result, standard output when omitted or -; of a stream: a folder",
        )
        add(
            "--output_format",
            choices=tuple(FORMATS),
            help="by default what the extension of --output says, without one json; of a stream: "
            "jsonl",
        )
        add(
            "--num_shards",
            type=whole_number(1, MAX_SHARDS),
            default=1,
            metavar="N",
            help="more than 1: write PATH-00000-of-0000N and so on (default: 1; at most "
            f"{MAX_SHARDS:,})",
        )
        add(
            "--sort",
            choices=ORDERS,
            default=ORDERS[0],
            help="the order of the result: by word (default), or by count, the greatest first and "
            "of equal ones the alphabetically first",
        )
        add(
            "--dictionary",
            action="append",
            metavar="SPEC",
            help="gcide, web2, a+b for both of them, the path of a word list (a word a line, "
            "Hunspell's .dic without its affix rules, or JSON; plain or compressed), or none for "
            "the words of the text itself; may be repeated for the union (default: gcide)",
        )
        add(
            "--dictionary_encoding",
            metavar="CODEC",
            help="of word lists, such as latin-1; by default a byte order mark decides, and "
            "without one it is utf-8",
        )
        add(
            "--normalization",
            choices=NORMALIZATIONS,
            default="unicode",
            help="how text becomes words (default: unicode)",
        )
        add(
            "--punctuation",
            choices=PUNCTUATION_RULES,
            default="delete",
            help="punctuation and symbols: delete them, so that what stands around them joins, or "
            "split words at them; apostrophes are always deleted (default: delete)",
        )
        add(
            "--encoding",
            metavar="CODEC",
            help="of the input files (default: what the byte order mark of a file says, UTF-16 or "
            "UTF-32, and utf-8 without one)",
        )
        add(
            "--encoding_errors",
            choices=ERROR_POLICIES,
            default="replace",
            help="undecodable bytes: leave them out, fail, or write their line to --dead_letters "
            "(default: replace)",
        )
        add(
            "--min_word_length",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="leave out shorter words",
        )
        add(
            "--min_class_size",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="leave out anagram classes with fewer members",
        )
        add(
            "--min_count",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="leave out words counted less often",
        )
        add(
            "--top",
            type=whole_number(1),
            metavar="N",
            help="only the N greatest counts; of equal ones the alphabetically first",
        )
        add(
            "--group_by",
            choices=GROUPINGS,
            help="file: count the words of each file by themselves; records begin with a column "
            "group, and JSON is an object of files. --top is for each of them",
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
        add(
            "--on_error",
            choices=FAULT_POLICIES,
            default="fail",
            help="when all attempts at a piece of work have failed: end the run, or write it to "
            "--dead_letters and go on (default: fail)",
        )
        add(
            "--dead_letters",
            metavar="PATH",
            help="JSON lines: what could not be processed; 'replay' processes it again",
        )
        add(
            "--max_attempts",
            type=whole_number(1),
            default=Resilience.max_attempts,
            metavar="N",
            help="how often a stage tries one piece of work (default: %(default)s)",
        )
        add(
            "--merge",
            metavar="RESULT",
            help="add the counts of an earlier result, made with the same dictionary and without "
            "--min_word_length, --min_class_size, --min_count and --top; these apply to the sum",
        )
        add(
            "--chaos",
            metavar="SPEC",
            help="inject faults: take-home, STAGE=RATE[:SECONDS], rate=RATE, seed=N, "
            f"latency=FACTOR, separated by commas; stages are {', '.join(STAGES)}",
        )
        add("--replay", metavar="DEAD_LETTERS", help=argparse.SUPPRESS)
        add(
            "--report",
            action="append",
            default=[],
            metavar="PATH",
            help="write a report of the run to a file: .html to read, or .json for programs; may "
            "be repeated",
        )
        add(
            "--telemetry",
            action="append",
            choices=TELEMETRY,
            default=[],
            help="tell a collector about the run: openlineage, its inputs, outputs and totals; "
            "opentelemetry, a trace of its phases and metrics. Their own environment variables say "
            "where to, such as OPENLINEAGE_URL and OTEL_EXPORTER_OTLP_ENDPOINT; may be repeated",
        )
        add(
            "--progress",
            action="store_true",
            default=None,
            help="show how far the run is, once it has taken a second (default: on a terminal, "
            "unless --verbose)",
        )
        add("--no_progress", dest="progress", action="store_false", help="do not show it")
        add(
            "--log_format",
            choices=LOG_FORMATS,
            default=LOG_FORMATS[0],
            help="of everything on standard error: text, or a JSON object in each line "
            "(default: text)",
        )
        add("--verbose", action="store_true", help="show Beam's log and tracebacks")


def is_streaming(options: AnagramOptions) -> bool:
    """Returns whether the input has no end that is known, so that its windows are counted."""
    return options.watch is not None or any(map(is_stream, options.input or ()))


def given_paths(options: AnagramOptions, name: str) -> list[str]:
    """Returns the paths of an option in `PATHS`, which may be a list, one value or none.

    Streams are no paths.
    """
    given = getattr(options, name)
    if given is None:
        return []
    values = [given] if isinstance(given, str) else given
    return [value for value in values if not is_stream(value)]
