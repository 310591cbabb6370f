"""A run's report as one HTML page that needs nothing else: no network, no script.

Everything from outside is escaped by the template; the only markup let through are the charts,
whose text their library escapes.
"""

import dataclasses
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from rich.filesize import decimal

from beam_pipeline.report import charts
from beam_pipeline.report.model import Distribution, RunReport, printable

#: So many of the largest classes are in the chart; the figures below it have all.
_CHARTED_CLASSES = 10

Section = tuple[str, list[tuple[str, Any, str]]]


class Tile(NamedTuple):
    """One of the figures on top."""

    name: str
    value: str
    note: str = ""


class Chart(NamedTuple):
    """A chart with its title, and its figures as rows of text."""

    title: str
    svg: str
    rows: list[tuple[str, str]]


def to_html(report: RunReport) -> str:
    """`report` -> a page to look at, on a phone and on paper too."""
    pages = Environment(
        loader=PackageLoader("beam_pipeline.report"),
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("report.html").render(
        report=report,
        tiles=list(_tiles(report)),
        charts=list(_charts(report)),
        sections=list(_sections(report)),
    )


def _visible(value: Any) -> Any:
    """Text as HTML can show it: what it has no means for, as in a Python string."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        repr(char)[1:-1] if unicodedata.category(char) == "Cc" else char
        for char in printable(value)
    )


def _tiles(report: RunReport) -> Iterator[Tile]:
    yield Tile("time", f"{report.wall_seconds:.1f} s", _of(report.cpu_seconds, "{:.1f} s of CPU"))
    words, matched = report.counter("words"), report.counter("words_matched")
    if words is not None:
        per_second = _of(report.words_per_second, "{:,.0f} a second")
        yield Tile("words", f"{words:,}", per_second)
    if words and matched is not None:
        yield Tile("matched", f"{matched / words:.1%}", f"{matched:,} words")
    if (classes := report.counter("classes")) is not None:
        yield Tile("anagram classes", f"{classes:,}", "found in the text")
    if report.input.bytes is not None:
        yield Tile("input", decimal(report.input.bytes), f"files: {_shown(report.input.files)}")
    if report.bytes_per_second is not None:
        yield Tile("throughput", f"{decimal(int(report.bytes_per_second))}/s")
    if report.peak_memory_bytes is not None:
        yield Tile("peak memory", decimal(report.peak_memory_bytes), "all processes")
    for name in ("retries", "dead_letters", "invalid_bytes"):
        if number := report.counter(name):
            yield Tile(name.replace("_", " "), f"{number:,}")


def _of(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _charts(report: RunReport) -> Iterator[Chart]:
    for chart in _all_charts(report):
        if chart.svg:
            yield chart


def _all_charts(report: RunReport) -> Iterator[Chart]:
    matched, unmatched = report.counter("words_matched"), report.counter("words_unmatched")
    if matched is not None and unmatched is not None:
        svg = charts.matched(matched, unmatched)
        rows = [("matched", f"{matched:,}"), ("unmatched", f"{unmatched:,}")]
        yield Chart("Words that are anagrams of a dictionary word", svg or "", rows)
    if lengths := report.words_by_length:
        rows = [(f"{one.length}", f"{one.words:,}") for one in lengths]
        title = "Words by length, in letters"
        yield Chart(title, charts.words_by_length(lengths) or "", rows)
    if classes := report.largest_classes:
        rows = [(" ".join(one.words), f"{one.count:,}") for one in classes]
        title = "Largest anagram classes, by occurrences"
        yield Chart(title, charts.largest_classes(classes[:_CHARTED_CLASSES]) or "", rows)
    if parts := report.phases:
        rows = [(part.name, f"{part.seconds:.3f} s") for part in parts]
        yield Chart("Time by phase of the run", charts.phases(parts) or "", rows)
    if points := report.timeline:
        yield Chart("Bytes read in a second", charts.throughput(points) or "", [])
        yield Chart("Memory of all processes", charts.memory(points) or "", [])


def _sections(report: RunReport) -> Iterator[Section]:
    yield (
        "Metrics",
        [
            (name, _shown(value), name if name in report.unknown else "metrics")
            for name, value in report.metrics.items()
        ],
    )
    found = report.input
    yield (
        "Input",
        [
            ("patterns", " ".join(found.patterns), "input"),
            ("files", _shown(found.files), "input"),
            ("bytes, as stored", _shown(found.bytes), "input"),
        ],
    )
    dictionary = dataclasses.asdict(report.dictionary)
    yield (
        "Dictionary",
        [(name, _shown(value), "dictionary") for name, value in dictionary.items()],
    )
    given = [(name, _shown(value), "options") for name, value in report.options.items()]
    yield "Options", given
    versions = dataclasses.asdict(report.versions)
    yield "Versions", [(name, value, "versions") for name, value in versions.items()]


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
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
