"""Figures -> one side-by-side table, for a terminal or in Markdown."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Table

from beam_pipeline.benchmark.compare.comparison import Comparison
from beam_pipeline.benchmark.compare.summary import Spread, Summary, summarize, winners
from beam_pipeline.benchmark.units import percent, seconds, size, whole

# With more orchestrators than this, each has a row instead of a column.
_MANY = 4
_NOTHING = "-"


@dataclass(frozen=True)
class Metric:
    """A line of the table.

    Attributes:
      label: with an arrow to where it is better, if anywhere.
      quantity: as `winners` calls it; empty where nobody can win.
      cell: what stands there for an orchestrator.
    """

    label: str
    quantity: str
    cell: Callable[[Summary], str]


def _spread(
    of: Callable[[Summary], Spread | None], show: Callable[[Spread], str]
) -> Callable[[Summary], str]:
    def cell(summary: Summary) -> str:
        spread = of(summary)
        return _NOTHING if spread is None else show(spread)

    return cell


def _result(summary: Summary) -> str:
    if summary.timed_out and not summary.verdict.startswith("WRONG"):
        return "timeout"
    return summary.verdict


def _known(show: Callable[[float], str], value: float | None) -> str:
    return _NOTHING if value is None else show(value)


def _runtime(summary: Summary) -> Spread | None:
    return summary.runtime


METRICS = (
    Metric("result", "", _result),
    Metric(
        "success ↑",
        "success",
        lambda s: f"{percent(s.success_rate)} ({s.successes}/{s.runs})" if s.runs else _NOTHING,
    ),
    Metric("runtime, median ↓", "runtime", _spread(_runtime, lambda r: seconds(r.median))),
    Metric(
        "middle half",
        "",
        _spread(_runtime, lambda r: f"{seconds(r.quarter)} – {seconds(r.three_quarters)}"),
    ),
    Metric("words/s ↑", "throughput", lambda s: _known(whole, s.words_per_second)),
    Metric("peak memory ↓", "memory", lambda s: _known(size, s.peak_bytes)),
    Metric("CPU ↓", "cpu", _spread(lambda s: s.cpu, lambda c: seconds(c.median))),
    Metric("start-up ↓", "start", lambda s: _known(seconds, s.start_seconds)),
)
DETAILS = (
    Metric("runtime, mean", "", _spread(_runtime, lambda r: seconds(r.mean))),
    Metric("deviation", "", _spread(_runtime, lambda r: seconds(r.deviation))),
    Metric("least", "", _spread(_runtime, lambda r: seconds(r.least))),
    Metric("greatest", "", _spread(_runtime, lambda r: seconds(r.greatest))),
    Metric(
        "outliers",
        "",
        _spread(_runtime, lambda r: ", ".join(map(seconds, r.outliers)) or "none"),
    ),
    Metric("memory growth ↓", "growth", lambda s: _known(size, s.growth_bytes)),
    Metric("largest process", "", lambda s: _known(size, s.peak_process_bytes)),
    Metric("hand-over", "", _spread(lambda s: s.handover, lambda h: seconds(h.median))),
    Metric("claimed runtime", "", _spread(lambda s: s.reported, lambda r: seconds(r.median))),
)

LEGEND = (
    "Runtime is measured by the harness: from the begin of the hand-over of a fresh text until "
    "the whole answer has come. Start-up (process, imports, constructor) comes before it and is "
    "not part of it. Memory and CPU are those of all processes of an orchestrator together, "
    "sampled while it runs. Success is of all runs, warm-up and checks included."
)


def _cells(comparison: Comparison, detailed: bool) -> list[tuple[str, list[tuple[str, bool]]]]:
    """For each metric its label, and each orchestrator's cell and whether it is the best."""
    summaries = summarize(comparison)
    best = winners(summaries)
    return [
        (
            metric.label,
            [
                (metric.cell(summary), summary.name in best.get(metric.quantity, ()))
                for summary in summaries
            ],
        )
        for metric in (*METRICS, *(DETAILS if detailed else ()))
    ]


def terminal_table(comparison: Comparison, detailed: bool) -> Table:
    """-> a table in which the best of each metric is green."""
    labels, names, grid = _grid(comparison, detailed)
    table = Table(title=title(comparison), title_justify="left")
    table.add_column("", no_wrap=True)
    for label in labels:
        table.add_column(label, justify="right")
    for name, row in zip(names, grid, strict=True):
        table.add_row(name, *(f"[bold green]{cell}[/]" if best else cell for cell, best in row))
    return table


def markdown_table(comparison: Comparison, detailed: bool) -> str:
    """-> a table in which the best of each metric is bold."""
    labels, names, grid = _grid(comparison, detailed)
    lines = [["", *labels], ["---", *["---:"] * len(labels)]]
    for name, row in zip(names, grid, strict=True):
        lines.append([name, *(f"**{cell}**" if best else cell for cell, best in row)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{title(comparison)}\n\n{table}\n"


def title(comparison: Comparison) -> str:
    """What was compared on."""
    words = f"{whole(comparison.words)} word{'s' * (comparison.words != 1)}"
    return f"{comparison.subject}: {words}, {size(comparison.size_bytes)}"


def notes(comparison: Comparison) -> list[str]:
    """What else there is to say of each orchestrator, a line each."""
    return [
        f"{summary.name}: {note}" for summary in summarize(comparison) for note in summary.notes
    ]


def _grid(
    comparison: Comparison, detailed: bool
) -> tuple[list[str], list[str], list[list[tuple[str, bool]]]]:
    """Columns' labels, rows' labels, rows of cells."""
    rows = _cells(comparison, detailed)
    metrics = [label for label, _ in rows]
    names = [score.name for score in comparison.scores]
    grid = [cells for _, cells in rows]
    if len(names) <= _MANY:
        return names, metrics, grid
    return metrics, names, [list(column) for column in zip(*grid, strict=True)]
