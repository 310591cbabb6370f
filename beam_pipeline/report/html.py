"""A run's report as an HTML page."""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.filesize import decimal

from beam_pipeline.pages.page import Figure, render
from beam_pipeline.pages.text import counted
from beam_pipeline.report import charts
from beam_pipeline.report.model import Distribution, RunReport

#: How many of the largest classes the chart has; the table below it has all.
_CHARTED_CLASSES = 10


class Tile(NamedTuple):
    """One of the numbers on top of the page."""

    name: str
    value: str
    note: str = ""


class Entry(NamedTuple):
    """A line of a table.

    Attributes:
      name: the label.
      value: the value as text; None if unknown.
      field: the key of the reason in `RunReport.unknown`.
    """

    name: str
    value: str | None
    field: str


class Section(NamedTuple):
    """A table with its title."""

    title: str
    entries: list[Entry]


def to_html(report: RunReport) -> str:
    """Renders a report as a page, for a screen of any width and for paper."""
    return render(
        "beam_pipeline.report",
        "report.html",
        report=report,
        tiles=list(_tiles(report)),
        figures=[figure for figure in _figures(report) if figure.svg],
        sections=list(_sections(report)),
    )


def _tiles(report: RunReport) -> Iterator[Tile]:
    yield Tile("time", f"{report.wall_seconds:.1f} s", _of(report.cpu_seconds, "{:.1f} s of CPU"))
    words, matched = report.counter("words"), report.counter("words_matched")
    if words is not None:
        rate = None if report.is_tiny else report.words_per_second
        yield Tile("words", f"{words:,}", _of(rate, "{:,.0f} a second"))
    if words and matched is not None:
        yield Tile("matched", f"{matched / words:.1%}", counted(matched, "word"))
    if (classes := report.counter("classes")) is not None:
        yield Tile("anagram classes", f"{classes:,}", "found in the text")
    if report.input.bytes is not None:
        files = report.input.files
        where = (
            "" if files is None else f"in {counted(files, 'file')}" if files else "given as text"
        )
        yield Tile("input", decimal(report.input.bytes), where)
    if (stream := report.stream) is not None:
        if stream.windows is not None:
            yield Tile("windows", f"{stream.windows:,}", "published")
        if stream.messages is not None:
            behind = _of(stream.lag, "{:,} behind")
            yield Tile("messages", f"{stream.messages:,}", behind)
    if report.bytes_per_second is not None and not report.is_tiny:
        yield Tile("throughput", f"{decimal(int(report.bytes_per_second))}/s")
    if report.peak_memory_bytes is not None:
        yield Tile("peak memory", decimal(report.peak_memory_bytes), "all processes")
    for name in ("files_skipped", "retries", "dead_letters", "invalid_bytes"):
        if number := report.counter(name):
            yield Tile(name.replace("_", " "), f"{number:,}")


def _of(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _figures(report: RunReport) -> Iterator[Figure]:
    matched, unmatched = report.counter("words_matched"), report.counter("words_unmatched")
    if matched is not None and unmatched is not None:
        svg = charts.matched(matched, unmatched)
        rows = [("matched", f"{matched:,}"), ("unmatched", f"{unmatched:,}")]
        yield Figure("Words that are anagrams of a dictionary word", svg or "", rows)
    if lengths := report.words_by_length:
        rows = [(f"{one.length}", f"{one.words:,}") for one in lengths]
        title = "Words by length, in letters"
        yield Figure(title, charts.words_by_length(lengths) or "", rows)
    if classes := report.largest_classes:
        rows = [(" ".join(one.words), f"{one.count:,}") for one in classes]
        title = "Largest anagram classes, by occurrences"
        yield Figure(title, charts.largest_classes(classes[:_CHARTED_CLASSES]) or "", rows)
    if parts := report.phases:
        rows = [(part.name, f"{part.seconds:.3f} s") for part in parts]
        yield Figure("Time by phase of the run", charts.phases(parts) or "", rows)
    if points := report.timeline:
        if not report.is_tiny:
            yield Figure("Bytes read in a second", charts.throughput(points) or "", [])
        yield Figure("Memory of all processes", charts.memory(points) or "", [])


def _sections(report: RunReport) -> Iterator[Section]:
    yield Section(
        "Metrics",
        [
            Entry(name, _shown(value), name if name in report.unknown else "metrics")
            for name, value in report.metrics.items()
        ],
    )
    found = report.input
    yield Section(
        "Input",
        [
            Entry("patterns", " ".join(found.patterns), "input"),
            Entry("files", _shown(found.files), "input"),
            Entry("bytes, as stored", _shown(found.bytes), "input"),
        ],
    )
    if report.stream is not None:
        yield Section(
            "Stream",
            [
                Entry(name.replace("_", " "), _shown(value), "stream")
                for name, value in dataclasses.asdict(report.stream).items()
            ],
        )
    dictionary = dataclasses.asdict(report.dictionary)
    for source in dictionary.pop("sources") or ():
        dictionary[f"entries of {source['name']}"] = _entries(**source)
    tables = {
        "dictionary": dictionary,
        "options": report.options,
        "versions": dataclasses.asdict(report.versions),
    }
    for field, values in tables.items():
        entries = [Entry(str(name), _shown(value), field) for name, value in values.items()]
        yield Section(field.capitalize(), entries)


def _entries(name: str, entries: int, rejected: int, examples: tuple[str, ...]) -> str:
    if not rejected:
        return f"{entries:,}"
    return f"{entries:,}; {rejected:,} rejected, such as {', '.join(map(repr, examples))}"


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case Distribution(count=1):
            return f"one value, {value.min:,}"
        case Distribution():
            return (
                f"{value.count:,} values from {value.min:,} to {value.max:,}, "
                f"{value.mean:,.1f} on average"
            )
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list() | tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)
