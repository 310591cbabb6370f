"""``compare-reports BEFORE AFTER``: compares the reports of two runs, and checks limits.

The files are untrusted input: no file that they name is opened.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from rich.filesize import decimal

from beam_pipeline.cli.parsing import COMPARE_REPORTS as COMMAND
from beam_pipeline.cli.paths import expand_path
from beam_pipeline.cli.single_values import ACTIONS
from beam_pipeline.errors import ExitCode, PreviousResultError, ReportError, UsageError
from beam_pipeline.flags import canonical_flag, positive, unknown_argument, whole_number
from beam_pipeline.io.formats import FORMATS, format_of
from beam_pipeline.io.previous_results import counted_words
from beam_pipeline.options import LOG_FORMATS
from beam_pipeline.pages.text import counted
from beam_pipeline.report.comparison import (
    CLASSES_SHOWN,
    ReportComparison,
    compare,
    compare_results,
    exceeded,
)
from beam_pipeline.report.saved import RUN, Figure, Limit, Unit, read_saved
from beam_pipeline.standard_streams import print_result, printable
from transforms.errors import AnagramError
from transforms.stages.retry import Resilience, Retrier

_FORMATS = ("text", "json")
# The maximum length of a text in a table, in characters.
_MAX_LENGTH = 40
# The maximum number of exceeded limits in the error message.
_MAX_NAMED = 3


def compare_reports(argv: Sequence[str]) -> ExitCode:
    """Compares two reports and prints what differs on standard output.

    Args:
      argv: the arguments after ``compare-reports``.

    Raises:
      UsageError: an argument is wrong, or a file cannot be read or compared.
      AnagramError: a limit is exceeded; the comparison has been printed before.
    """
    parser = _parser()
    flags = [canonical_flag(argument) for argument in argv]
    if {"--help", "-h"} & set(flags):
        print_result(parser.format_help().rstrip("\n"))
        return ExitCode.DONE
    options, unknown = parser.parse_known_args(flags)
    if unknown:
        raise UsageError(
            f"{COMMAND}: {unknown_argument(unknown[0], parser._option_string_actions)}"
        )
    try:
        before, after = (read_saved(expand_path(path)) for path in (options.before, options.after))
        comparison = compare(before, after)
        if options.results:
            comparison = _with_results(comparison, *map(expand_path, options.results))
    except (PreviousResultError, ReportError, ValueError) as error:
        raise UsageError(f"{COMMAND}: {error}") from None  # no option has named the file
    if options.output_format == "json":
        print_result(_to_json(comparison, options.top))
    else:
        print_result("\n".join(map(printable, _lines(comparison, options.top))))
    limits = {limit: ratio for limit in Limit if (ratio := getattr(options, limit.value))}
    excesses = [
        f"--{setting}{_value(getattr(options, setting))}: {message}"
        for setting, message in exceeded(comparison, limits, same_result=options.same_result)
    ]
    if excesses:
        more = len(excesses) - _MAX_NAMED
        named = [*excesses[:_MAX_NAMED], *([f"and {more} more"] if more > 0 else [])]
        raise AnagramError("; ".join(named))
    return ExitCode.DONE


def _value(given: Any) -> str:
    return "" if given is True else f"={given:g}"


def _with_results(comparison: ReportComparison, before: str, after: str) -> ReportComparison:
    for path in (before, after):
        if format_of(path) is None:
            names = ", ".join(FORMATS)
            message = f"the extension names no format; it must be one of {names}"
            raise UsageError(message, setting="results", value=path)
    retrier = Retrier("read", Resilience())
    same, classes = compare_results(
        counted_words(before, before, retrier), counted_words(after, after, retrier)
    )
    return replace(comparison, has_same_result=same, are_results_files=False, classes=classes)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{COMMAND}: {message.removeprefix('argument ')}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m beam_pipeline {COMMAND}",
        description="Compares two reports of runs (--report X.json), or two files that a benchmark "
        "command has saved: what was run, what came out, and what it took. The exit code is 1 "
        "if a limit does not hold, or cannot be checked.",
        allow_abbrev=False,
        add_help=False,
    )
    for name, action in ACTIONS.items():
        parser.register("action", name, action)
    add = parser.add_argument
    add("before", metavar="BEFORE", help="the report to compare with")
    add("after", metavar="AFTER", help="the report of the later run, to which limits apply")
    add(
        "--max_slowdown",
        type=_ratio,
        metavar="RATIO",
        help="the longest time of the later run, relative to the earlier one: 1.2 is 20 %% longer",
    )
    add(
        "--max_memory_growth",
        type=_ratio,
        metavar="RATIO",
        help="the largest peak memory of all its processes, relative to the earlier run",
    )
    add("--same_result", action="store_true", help="the results must be equal")
    add(
        "--results",
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="the results of the two runs, whose counts are then compared, whatever their formats; "
        "without them, the files that the reports describe are, and the largest classes in them",
    )
    add(
        "--top",
        type=whole_number(0),
        default=CLASSES_SHOWN,
        metavar="N",
        help="how many anagram classes to show, those whose counts differ most (default: "
        "%(default)s)",
    )
    add("--output_format", choices=_FORMATS, default=_FORMATS[0], help="(default: text)")
    add("--log_format", choices=LOG_FORMATS, help="of what is printed on standard error")
    add("--verbose", action="store_true", help="show tracebacks")
    add("-h", "--help", action="store_true", help="print this text")
    return parser


_ratio = positive("a ratio above 0, such as 1.2")


@dataclass(frozen=True)
class _Row:
    name: str
    before: str
    after: str
    change: str = ""


def _lines(comparison: ReportComparison, top: int) -> Iterator[str]:
    before, after = comparison.before, comparison.after
    rows = [
        _Row("", before.path, after.path, "change"),
        *(_Row(name, _shown(one), _shown(other)) for name, one, other in comparison.facts),
        *(
            _Row(name, _figure(one), _figure(other), _change(one.value, other.value))
            for name, one, other in comparison.figures
        ),
    ]
    yield from _aligned(rows)
    if before.kind == RUN:
        what = "result files" if comparison.are_results_files else "counts"
        verdicts = {True: "are equal", False: "differ", None: "are not known"}
        yield f"the {what} {verdicts[comparison.has_same_result]}"
    if classes := (comparison.classes or [])[:top]:
        yield ""
        number = len(comparison.classes or [])
        yield counted(number, "anagram class differs", "anagram classes differ") + (
            ", most of all:" if number > len(classes) else ":"
        )
        yield from _aligned(
            [
                _Row(
                    _shown(" ".join(one.words)),
                    _count(one.before),
                    _count(one.after),
                    _difference(one.before, one.after),
                )
                for one in classes
            ]
        )


def _aligned(rows: Sequence[_Row]) -> Iterator[str]:
    columns = [[getattr(row, name) for row in rows] for name in ("name", "before", "after")]
    widths = [max(map(len, column)) for column in columns]
    for row in rows:
        cells = zip((row.name, row.before, row.after), widths, strict=True)
        yield "  ".join([*(cell.ljust(width) for cell, width in cells), row.change]).rstrip()


def _shown(fact: Any) -> str:
    if fact is None:
        return "-"
    text = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"


def _figure(figure: Figure) -> str:
    value = figure.value
    if value is None:
        return "-"
    if figure.unit is Unit.SECONDS:
        return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"
    return decimal(int(value)) if figure.unit is Unit.BYTES else f"{value:,}"


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None or not before:
        return ""
    return f"{100 * (after / before - 1):+.1f} %"


def _count(count: int | None) -> str:
    return "not among the largest" if count is None else f"{count:,}"


def _difference(before: int | None, after: int | None) -> str:
    return "" if before is None or after is None else f"{after - before:+,}"


def _to_json(comparison: ReportComparison, top: int) -> str:
    classes = comparison.classes
    return json.dumps(
        {
            "before": comparison.before.path,
            "after": comparison.after.path,
            "facts": {name: [one, other] for name, one, other in comparison.facts},
            "figures": {name: [one.value, other.value] for name, one, other in comparison.figures},
            "same_result": comparison.has_same_result,
            "classes": None if classes is None else [one._asdict() for one in classes[:top]],
        },
        indent=2,
    )
