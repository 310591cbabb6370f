"""The summary of a finished run: a table on a terminal, otherwise lines of text, or JSON."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.filesize import decimal

from beam_pipeline.report.model import RunReport
from beam_pipeline.standard_streams import print_message, printable

if TYPE_CHECKING:
    from rich.table import Table

# Of input smaller than this, in bytes, the figures are not worth showing.
_TINY = 1 << 20


def print_summary(report: RunReport, *, as_json: bool) -> None:
    """Prints the summary of a finished run on standard error.

    Args:
      as_json: one line that is a JSON object, for machines.
    """
    if as_json:
        print_message(to_json_line(report))
    elif sys.stderr.isatty():
        from rich.console import Console  # takes a while to load

        Console(stderr=True, soft_wrap=True).print(to_table(report))
    else:
        print_message("\n".join(to_lines(report)))


def to_json_line(report: RunReport) -> str:
    """Returns the main figures as a JSON object in one line; what is not known is null."""
    event = {
        "event": report.status,
        "runner": report.runner,
        "wall_seconds": round(report.wall_seconds, 3),
        "cpu_seconds": report.cpu_seconds and round(report.cpu_seconds, 3),
        "peak_memory_bytes": report.peak_memory_bytes,
        "input_files": report.input.files,
        "input_bytes": report.input.bytes,
        **{name: value for name, value in report.metrics.items() if not hasattr(value, "mean")},
    }
    return json.dumps(event)


def to_table(report: RunReport) -> "Table":
    """Returns the main figures as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows(report):
        table.add_row(name, Text(value))
    return table


def to_lines(report: RunReport) -> list[str]:
    """Returns the main figures as lines of text; the last one has the time and the runner.

    For a tiny input that is the only line, unless there were retries, dead letters or bytes that
    are not valid text.
    """
    size = report.counter("bytes_read")
    shown = [] if size is not None and size < _TINY else ["input", "words"]
    shown += ["not valid text", "retries", "dead letters"]
    lines = [f"{name}: {value}" for name, value in rows(report) if name in shown]
    rate = ""
    if "input" in shown and report.bytes_per_second is not None:
        rate = f", {decimal(int(report.bytes_per_second))}/s"
        if report.peak_memory_bytes is not None:
            rate += f", peak memory {decimal(report.peak_memory_bytes)}"
    return [*lines, f"done in {report.wall_seconds:.1f} s on {report.runner}{rate}"]


def rows(report: RunReport) -> Iterator[tuple[str, str]]:
    """Yields name and value of each figure, without what is not known or did not happen."""
    yield "runner", report.runner
    if (where := _input(report)) is not None:
        yield "input", where
    words, matched = report.counter("words"), report.counter("words_matched")
    unmatched, classes = report.counter("words_unmatched"), report.counter("classes")
    if words is not None and matched is not None and classes is not None:
        value = f"{words:,}"
        if words:
            in_classes = f"{classes:,} anagram {_plural(classes, 'class', 'classes')}"
            value += f", {matched / words:.1%} of them in {in_classes}"
        if unmatched:
            value += f", {unmatched:,} unmatched"
        yield "words", value
    if invalid := report.counter("invalid_bytes"):
        yield "not valid text", f"{invalid:,} {_plural(invalid, 'byte')}"
    if retries := report.counter("retries"):
        yield "retries", f"{retries:,}"
    if letters := report.counter("dead_letters"):
        causes = ", ".join(f"{cause}: {n:,}" for cause, n in report.dead_letters.by_cause.items())
        where = f" in {report.dead_letters.path}" if report.dead_letters.path else ""
        yield "dead letters", printable(f"{letters:,}{where}" + (f" ({causes})" if causes else ""))
    yield "time", f"{report.wall_seconds:.1f} s"
    if report.bytes_per_second is not None:
        speed = f"{decimal(int(report.bytes_per_second))}/s"
        if report.words_per_second is not None:
            speed += f", {report.words_per_second:,.0f} words/s"
        yield "throughput", speed
    if report.peak_memory_bytes is not None:
        yield "peak memory", decimal(report.peak_memory_bytes)


def _input(report: RunReport) -> str | None:
    files, stored = report.input.files, report.input.bytes
    size = stored if stored is not None else report.counter("bytes_read")
    if size is None:
        return None
    if files is None:
        return decimal(size)
    return f"{decimal(size)} in {files:,} {_plural(files, 'file')}"


def _plural(number: int, singular: str, plural: str = "") -> str:
    return singular if number == 1 else plural or f"{singular}s"
