"""The summary of a finished run: a table on a terminal, otherwise lines of text, or JSON."""

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.filesize import decimal

from beam_pipeline.io.naming import shard_path
from beam_pipeline.options import AnagramOptions
from beam_pipeline.pages.text import counted
from beam_pipeline.redaction import redact
from beam_pipeline.report.model import RunReport
from beam_pipeline.standard_streams import print_message, printable
from transforms.dictionary import SourceEntries

if TYPE_CHECKING:
    from rich.table import Table

# If a greater share of the entries of a word list is rejected, the summary mentions it.
_MAX_REJECTED = 0.1


@dataclass(frozen=True)
class Summary:
    """The data of the summary of a finished run.

    Attributes:
      report: the report of the run.
      seconds: the time since the program was started.
      output: the path of the result; None for standard output.
      num_shards: how many files the result has.
      reports: the paths of the reports.
    """

    report: RunReport
    seconds: float
    output: str | None = None
    num_shards: int = 1
    reports: Sequence[str] = ()

    @classmethod
    def of(cls, report: RunReport, options: AnagramOptions, *, seconds: float) -> "Summary":
        """Returns the summary of a run with these complete options."""
        return cls(report, seconds, options.output, options.num_shards, options.report)

    @property
    def is_tiny(self) -> bool:
        """Whether there was too little text for meaningful figures."""
        return self.report.is_tiny

    @property
    def result(self) -> str:
        """The path of the result; empty if it was printed, or if there is none yet."""
        if self.output is None or self.report.counter("records_written") is None:
            return ""
        first = shard_path(self.output, 0, self.num_shards)
        if self.num_shards == 1:
            return _shown(first)
        last = shard_path(self.output, self.num_shards - 1, self.num_shards)
        return _shown(f"{self.num_shards:,} shards, {first} to {last}")


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """Prints the summary of a finished run on standard error.

    Args:
      summary: the summary.
      as_json: whether to print a JSON object in one line.
    """
    if as_json:
        print_message("\n".join([*rejecting_sources(summary.report), to_json_line(summary)]))
    elif sys.stderr.isatty() and not summary.is_tiny:
        from rich.console import Console  # takes a while to load

        Console(stderr=True, soft_wrap=True).print(to_table(summary))
    else:
        print_message("\n".join(to_lines(summary)))


def rejecting_sources(report: RunReport) -> Iterator[str]:
    """Yields a JSON object in one line for each word list with many entries that are not words."""
    for source in report.dictionary.sources or ():
        if _rejects_much(source):
            yield json.dumps({"event": "dictionary", **dataclasses.asdict(source)})


def _rejects_much(source: SourceEntries) -> bool:
    return source.rejected > _MAX_REJECTED * source.entries


def to_json_line(summary: Summary) -> str:
    """Returns the main figures as a JSON object in one line; unknown figures are null."""
    report = summary.report
    event = {
        "event": report.status,
        "runner": report.runner,
        "wall_seconds": round(report.wall_seconds, 3),
        "cpu_seconds": report.cpu_seconds and round(report.cpu_seconds, 3),
        "peak_memory_bytes": report.peak_memory_bytes,
        "input_files": report.input.files,
        "input_bytes": report.input.bytes,
        "output": redact(summary.output) if summary.output else None,
        "num_shards": summary.num_shards,
        "reports": list(map(redact, summary.reports)),
        **{name: value for name, value in report.metrics.items() if not hasattr(value, "mean")},
    }
    return json.dumps(event)


def to_table(summary: Summary) -> "Table":
    """Returns the main figures as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows(summary):
        table.add_row(name, Text(value))
    return table


def to_lines(summary: Summary) -> list[str]:
    """Returns the main figures as lines of text; the last one has the time and the runner.

    For a tiny input this is the only line, unless there were retries, dead letters, skipped files,
    bytes that are not valid text, or a word list with many entries that are not words.
    """
    report = summary.report
    shown = ["dictionary", "skipped", "not valid text", "retries", "dead letters"]
    if not summary.is_tiny:
        shown += ["input", "words"]
    lines = [f"{name}: {value}" for name, value in rows(summary) if name in shown]
    done = f"done in {summary.seconds:.1f} s on {report.runner}"
    if not summary.is_tiny and report.bytes_per_second is not None:
        done += f", {decimal(int(report.bytes_per_second))}/s"
        if report.peak_memory_bytes is not None:
            done += f", peak memory {decimal(report.peak_memory_bytes)}"
    if files := ", ".join(f"{name} in {value}" for name, value in _files(summary)):
        done += f"; {files}"
    return [*lines, done]


def rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yields name and value of each figure, without unknown figures and zeros."""
    report = summary.report
    yield "runner", report.runner
    for source in report.dictionary.sources or ():
        if _rejects_much(source):
            examples = ", ".join(map(repr, source.examples))
            value = f"{source.rejected:,} of {source.entries:,} entries in {source.name}"
            yield "dictionary", printable(f"{value} are not words, such as {examples}")
    if (where := _input(report)) is not None:
        yield "input", where
    if skipped := report.counter("files_skipped"):
        what = counted(skipped, "file that is", "files that are")
        yield "skipped", f"{what} a FIFO, socket, device or broken link"
    if (words := _words(report)) is not None:
        yield "words", words
    if invalid := report.counter("invalid_bytes"):
        yield "not valid text", counted(invalid, "byte")
    if retries := report.counter("retries"):
        yield "retries", f"{retries:,}"
    if letters := report.counter("dead_letters"):
        causes = ", ".join(f"{cause}: {n:,}" for cause, n in report.dead_letters.by_cause.items())
        where = f" in {report.dead_letters.path}" if report.dead_letters.path else ""
        yield "dead letters", _shown(f"{letters:,}{where}" + (f" ({causes})" if causes else ""))
    yield from _files(summary)
    yield "time", f"{summary.seconds:.1f} s"
    if report.bytes_per_second is not None:
        speed = f"{decimal(int(report.bytes_per_second))}/s"
        if report.words_per_second is not None:
            speed += f", {counted(round(report.words_per_second), 'word')}/s"
        yield "throughput", speed
    if report.peak_memory_bytes is not None:
        yield "peak memory", decimal(report.peak_memory_bytes)


def _files(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yields the kind and the path of each file that has been written."""
    if summary.result:
        yield "result", summary.result
    if summary.reports:
        paths = " and ".join(map(_shown, summary.reports))
        yield "report" if len(summary.reports) == 1 else "reports", paths


def _input(report: RunReport) -> str | None:
    files, stored = report.input.files, report.input.bytes
    size = stored if stored is not None else report.counter("bytes_read")
    if size is None:
        return None
    if not files:  # not known, or the text was given itself
        return decimal(size)
    return f"{decimal(size)} in {counted(files, 'file')}"


def _words(report: RunReport) -> str | None:
    words, matched = report.counter("words"), report.counter("words_matched")
    unmatched, classes = report.counter("words_unmatched"), report.counter("classes")
    if words is None or matched is None or classes is None:
        return None
    if not matched:
        return f"{words:,}, none of them matched" if words else "0"
    # 0 % and 100 % are shown only if exact.
    share = "all" if matched == words else f"{min(max(matched / words, 0.001), 0.999):.1%}"
    in_classes = counted(classes, "anagram class", "anagram classes")
    value = f"{words:,}, {share} of them in {in_classes}"
    return value + (f", {unmatched:,} unmatched" if unmatched else "")


def _shown(text: str) -> str:
    """Returns an untrusted text in a form that is safe for a terminal."""
    return printable(redact(text))
