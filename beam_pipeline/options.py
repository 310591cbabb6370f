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
#: The values of ``--group_by``.
GROUPINGS = ("file",)
#: The values of ``--telemetry``.
TELEMETRY = ("openlineage", "opentelemetry")
#: The options whose values are paths or URLs, or lists of them.
PATHS = ("input", "output", "dictionary", "dead_letters", "merge", "replay", "report")
#: The options that each dead letter records, because they decide how its words are counted.
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
    """An argparse type that checks a window. Options keep its text, which is sent to runners."""
    try:
        Windowing.parse(text)
    except ValueError as error:
        message = str(error)
        raise argparse.ArgumentTypeError(
            message if repr(text) in message else f"{text!r}: {message}"
        ) from None
    return text


class AnagramOptions(PipelineOptions):
    """The options of ``python -m beam_pipeline``."""

    def view_as(self, cls: type[OptionsT]) -> OptionsT:
        """Returns a view of these options as `cls`, the same one each time.

        Beam asks for a view at each step of building a pipeline, hundreds of times, and makes an
        argument parser for each: a third of the CPU time of a small run. All views share their
        values, so one of each class is enough.
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
            help="a file, glob (** too) or folder on any Beam filesystem, plain or compressed "
            "(gz, bz2, zst, xz under any name, deflate by its extension); - is standard input; may "
            "be repeated. Or a stream: kafka://HOST:PORT[,HOST:PORT]/TOPIC, optionally with ? and, "
            "joined by &, start=latest, until=now, group=NAME, delay=SECONDS and config=FILE; or "
            "pubsub://projects/P/subscriptions/S or pubsub://projects/P/topics/T, optionally with "
            "?timestamp=ATTRIBUTE",
        )
        add("--text", metavar="STRING", help="the text to count, instead of --input")
        add(
            "--watch",
            type=duration,
            metavar="SECONDS",
            help="look for new files at this interval (seconds, or 5m, 1h), and read each file "
            "once, a local one when it has not changed for that long; needs --window",
        )
        add(
            "--window",
            type=_windowing,
            metavar="WINDOW",
            help="the windows of a stream, in event time: fixed ones of this length (seconds, or "
            "5m, 1h, 1d), sliding:SIZE:PERIOD, or session:GAP; --output is then a folder with a "
            "file for each window",
        )
        add(
            "--allowed_lateness",
            type=duration,
            metavar="SECONDS",
            help="for how long after the end of a window (seconds, or 5m, 1h, 1d) late messages "
            "are still counted, in further files (default: 0); not with session windows or --top",
        )
        add(
            "--output",
            metavar="PATH",
            help="the file for the result; standard output if omitted or -; for a stream, a folder",
        )
        add(
            "--output_format",
            choices=tuple(FORMATS),
            help="the format of the result (default: by the extension of --output, otherwise json; "
            "for a stream jsonl)",
        )
        add(
            "--num_shards",
            type=whole_number(1, MAX_SHARDS),
            default=1,
            metavar="N",
            help="the number of output files; more than 1 write PATH-00000-of-0000N and so on "
            f"(default: 1; at most {MAX_SHARDS:,})",
        )
        add(
            "--sort",
            choices=ORDERS,
            default=ORDERS[0],
            help="the order of the result: by word (default), or by count, greatest first and ties "
            "by word",
        )
        add(
            "--dictionary",
            action="append",
            metavar="SPEC",
            help="gcide, web2, a+b for both of them, the path of a word list (one word per line, "
            "Hunspell's .dic without its affix rules, or JSON; plain or compressed), or none for "
            "the words of the text itself; may be repeated for the union (default: gcide)",
        )
        add(
            "--dictionary_encoding",
            metavar="CODEC",
            help="the encoding of word lists, such as latin-1 (default: by the byte order mark, "
            "otherwise utf-8)",
        )
        add(
            "--normalization",
            choices=NORMALIZATIONS,
            default="unicode",
            help="how text becomes words: of letters in any script, or of ASCII letters only "
            "(default: unicode)",
        )
        add(
            "--punctuation",
            choices=PUNCTUATION_RULES,
            default="delete",
            help="punctuation and symbols: delete them, so that the characters around them join, "
            "or split words at them; apostrophes are always deleted (default: delete)",
        )
        add(
            "--encoding",
            metavar="CODEC",
            help="the encoding of the input files (default: by the byte order mark of each file, "
            "otherwise utf-8)",
        )
        add(
            "--encoding_errors",
            choices=ERROR_POLICIES,
            default="replace",
            help="bytes that cannot be decoded: replace deletes them, strict fails the run, "
            "quarantine writes their line to --dead_letters (default: replace)",
        )
        add(
            "--min_word_length",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="leave out words of the text with fewer characters than this (default: 1)",
        )
        add(
            "--min_class_size",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="leave out words whose anagram class has fewer words than this (default: 1)",
        )
        add(
            "--min_count",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="leave out words with a smaller count than this (default: 1)",
        )
        add(
            "--top",
            type=whole_number(1),
            metavar="N",
            help="keep only the N greatest counts, ties by word (default: all)",
        )
        add(
            "--group_by",
            choices=GROUPINGS,
            help="file: count the words of each file separately; records begin with a column "
            "group, and JSON is an object of files. --top applies to each file",
        )
        add(
            "--engine",
            choices=ENGINES,
            default=ENGINES[0],
            help="vectorized (default) counts words in blocks of text with compiled code; "
            "elementwise makes each word an element, which is slower; the results are equal",
        )
        add(
            "--test_case",
            choices=(*CASE_NAMES, "all"),
            help="run built-in test cases and compare their results with the expected ones; exit "
            "code 1 on a difference",
        )
        add(
            "--on_error",
            choices=FAULT_POLICIES,
            default="fail",
            help="when all attempts to process an element have failed: fail the run, or write the "
            "element to --dead_letters and go on (default: fail)",
        )
        add(
            "--dead_letters",
            metavar="PATH",
            help="the file for what could not be processed, as JSON lines, which 'replay' "
            "processes again; for a stream, a folder",
        )
        add(
            "--max_attempts",
            type=whole_number(1),
            default=Resilience.max_attempts,
            metavar="N",
            help="how many times a stage tries to process an element (default: %(default)s)",
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
            help="inject faults: take-home (a preset), STAGE=RATE[:SECONDS], rate=RATE, seed=N, "
            f"latency=FACTOR, separated by commas; stages are {', '.join(STAGES)}",
        )
        add("--replay", metavar="DEAD_LETTERS", help=argparse.SUPPRESS)
        add(
            "--report",
            action="append",
            default=[],
            metavar="PATH",
            help="write a report of the run to a file: .html for people, or .json for programs; "
            "may be repeated",
        )
        add(
            "--telemetry",
            action="append",
            choices=TELEMETRY,
            default=[],
            help="send what the run did to a collector: openlineage, its inputs, outputs and "
            "totals; opentelemetry, a trace of its phases, and metrics. The destination is set by "
            "their own environment variables, such as OPENLINEAGE_URL and "
            "OTEL_EXPORTER_OTLP_ENDPOINT; may be repeated",
        )
        add(
            "--progress",
            action="store_true",
            default=None,
            help="show the progress of a run on this machine, once it has taken a second (default: "
            "on a terminal, unless --verbose or --log_format json)",
        )
        add("--no_progress", dest="progress", action="store_false", help="show no progress")
        add(
            "--log_format",
            choices=LOG_FORMATS,
            default=LOG_FORMATS[0],
            help="the format of all messages on standard error: text, or a JSON object in each "
            "line (default: text)",
        )
        add("--verbose", action="store_true", help="show Beam's log and tracebacks")


def is_streaming(options: AnagramOptions) -> bool:
    """Returns whether the input is a stream, which is counted in windows."""
    return options.watch is not None or any(map(is_stream, options.input or ()))


def given_paths(options: AnagramOptions, name: str) -> list[str]:
    """Returns the paths of an option in `PATHS`, whose value may be a list, one path or None.

    URLs of streams are left out.
    """
    given = getattr(options, name)
    if given is None:
        return []
    values = [given] if isinstance(given, str) else given
    return [value for value in values if not is_stream(value)]
