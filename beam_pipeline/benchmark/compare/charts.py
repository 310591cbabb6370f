"""The charts of a comparison: runtime, peak memory, success."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from beam_pipeline.benchmark.compare.results import SubjectResult
from beam_pipeline.benchmark.compare.summary import Summary, summarize
from beam_pipeline.benchmark.units import format_bytes, format_percent, format_seconds
from beam_pipeline.pages import charts
from beam_pipeline.pages.page import Figure
from beam_pipeline.pages.palette import SERIES


@dataclass(frozen=True)
class _Point:
    """The summary of an orchestrator for a text of some size."""

    subject: str
    size_bytes: int
    summary: Summary


def figures(results: Sequence[SubjectResult]) -> list[Figure]:
    """Draws the charts of all subjects, without the orchestrators that were wrong."""
    points = _points_by_name(results)
    if not points:
        return []
    colors = {name: SERIES[index % len(SERIES)] for index, name in enumerate(points)}
    return [
        _runtime(points, colors),
        _bars(
            "Peak memory",
            "memory",
            {name: _peak_memory(found) for name, found in points.items()},
            format_bytes,
            colors,
        ),
        _bars(
            "Success of all runs",
            "success",
            {name: _success_rate(found) for name, found in points.items()},
            format_percent,
            colors,
        ),
    ]


def _points_by_name(results: Sequence[SubjectResult]) -> Mapping[str, list[_Point]]:
    points: dict[str, list[_Point]] = {}
    for result in sorted(results, key=lambda result: result.size_bytes):
        for summary in summarize(result):
            if not summary.is_wrong:
                points.setdefault(summary.name, []).append(
                    _Point(result.subject, result.size_bytes, summary)
                )
    return points


def _runtime(points: Mapping[str, Sequence[_Point]], colors: Mapping[str, str]) -> Figure:
    """Draws lines over the size of the text, or bars where all texts have one size."""
    timed = {
        name: [
            # The axes are logarithmic, and an empty text is not a power of ten.
            (float(max(point.size_bytes, 1)), point.summary.runtime.median)
            for point in found
            if point.summary.runtime
        ]
        for name, found in points.items()
    }
    sizes = {size for line in timed.values() for size, _ in line}
    if len(sizes) <= 1:
        return _runtime_bars(points, colors)
    lines = {name: line for name, line in timed.items() if line}
    svg = charts.lines(
        "runtime", lines, format_bytes, format_seconds, [colors[name] for name in lines]
    )
    rows = [
        (f"{name}, {format_bytes(size)}", format_seconds(median))
        for name, line in lines.items()
        for size, median in line
    ]
    return Figure("Runtime, median, by size of the text", svg, rows)


def _runtime_bars(points: Mapping[str, Sequence[_Point]], colors: Mapping[str, str]) -> Figure:
    """Draws a bar for each orchestrator, and for each text if there are several."""
    several = len({point.subject for found in points.values() for point in found}) > 1
    bars = {
        f"{name}, {point.subject}" if several else name: (
            point.summary.runtime.median if point.summary.runtime else None,
            colors[name],
        )
        for name, found in points.items()
        for point in found
    }
    medians = {label: median for label, (median, _) in bars.items()}
    of_bars = {label: color for label, (_, color) in bars.items()}
    return _bars("Runtime, median", "runtime", medians, format_seconds, of_bars)


def _bars(
    title: str,
    name: str,
    values: Mapping[str, float | None],
    show: Callable[[float], str],
    colors: Mapping[str, str],
) -> Figure:
    svg = charts.bars(name, list(values.items()), show, colors=[colors[label] for label in values])
    return Figure(title, svg)


def _peak_memory(points: Sequence[_Point]) -> float | None:
    known = [point.summary.peak_bytes for point in points if point.summary.peak_bytes]
    return max(known, default=None)


def _success_rate(points: Sequence[_Point]) -> float:
    successes = sum(point.summary.successes for point in points)
    return successes / max(sum(point.summary.runs for point in points), 1)
