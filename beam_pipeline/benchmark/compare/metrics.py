"""The metrics by which orchestrators are compared, and which orchestrator is best in each.

A new metric is an entry of `METRICS` or `DETAILS`; if it needs a new figure, also a field of
`summary.Summary`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from beam_pipeline.benchmark.compare.stats import Stats
from beam_pipeline.benchmark.compare.summary import Summary
from beam_pipeline.benchmark.units import (
    format_bytes,
    format_percent,
    format_rate,
    format_seconds,
)

_NOTHING = "-"


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
      label: its title in a table, with an arrow that shows whether more or less is better.
      show: returns the text for an orchestrator.
      name: its name in the JSON, in the list of the best orchestrators.
      cost: returns a number of which less is better, or None if it was not measured. Without this
        function the metric has no best value.
    """

    label: str
    show: Callable[[Summary], str]
    name: str = ""
    cost: Callable[[Summary], float | None] | None = None


def _shown(
    figure: Callable[[Summary], float | None], show: Callable[[float], str]
) -> Callable[[Summary], str]:
    def cell(summary: Summary) -> str:
        value = figure(summary)
        return _NOTHING if value is None else show(value)

    return cell


def _shown_stats(
    figure: Callable[[Summary], Stats | None], show: Callable[[Stats], str]
) -> Callable[[Summary], str]:
    def cell(summary: Summary) -> str:
        stats = figure(summary)
        return _NOTHING if stats is None else show(stats)

    return cell


def _result(summary: Summary) -> str:
    return "timeout" if summary.timed_out and not summary.is_wrong else summary.verdict


def _success(summary: Summary) -> str:
    if not summary.runs:
        return _NOTHING
    return f"{format_percent(summary.success_rate)} ({summary.successes}/{summary.runs})"


def _runtime(summary: Summary) -> Stats | None:
    return summary.runtime


def _median_runtime(summary: Summary) -> float | None:
    return summary.runtime.median if summary.runtime else None


def _median_cpu(summary: Summary) -> float | None:
    return summary.cpu.median if summary.cpu else None


def _negative_throughput(summary: Summary) -> float | None:
    return -summary.words_per_second if summary.words_per_second is not None else None


def _outliers(runtime: Stats) -> str:
    return ", ".join(map(format_seconds, runtime.outliers)) or "none"


METRICS = (
    Metric("result", _result),
    Metric("success ↑", _success, "success", lambda s: -s.success_rate),
    Metric(
        "runtime, median ↓", _shown(_median_runtime, format_seconds), "runtime", _median_runtime
    ),
    Metric(
        "quartiles",
        _shown_stats(_runtime, lambda r: f"{format_seconds(r.q1)} – {format_seconds(r.q3)}"),
    ),
    Metric(
        "words/s ↑",
        _shown(lambda s: s.words_per_second, format_rate),
        "throughput",
        _negative_throughput,
    ),
    Metric(
        "peak memory ↓",
        _shown(lambda s: s.peak_bytes, format_bytes),
        "memory",
        lambda s: s.peak_bytes,
    ),
    Metric("CPU ↓", _shown(_median_cpu, format_seconds), "cpu", _median_cpu),
    Metric(
        "start-up ↓",
        _shown(lambda s: s.start_seconds, format_seconds),
        "start",
        lambda s: s.start_seconds,
    ),
    Metric(
        "warm-up ↓",
        _shown(lambda s: s.warm_up_seconds, format_seconds),
        "warm_up",
        lambda s: s.warm_up_seconds,
    ),
)
#: Further metrics, shown with ``--detailed``.
DETAILS = (
    Metric("runtime, mean", _shown_stats(_runtime, lambda r: format_seconds(r.mean))),
    Metric("standard deviation", _shown_stats(_runtime, lambda r: format_seconds(r.std))),
    Metric("min", _shown_stats(_runtime, lambda r: format_seconds(r.min))),
    Metric("max", _shown_stats(_runtime, lambda r: format_seconds(r.max))),
    Metric("outliers", _shown_stats(_runtime, _outliers)),
    Metric(
        "memory growth ↓",
        _shown(lambda s: s.growth_bytes, format_bytes),
        "growth",
        lambda s: s.growth_bytes,
    ),
    Metric("largest process", _shown(lambda s: s.peak_process_bytes, format_bytes)),
    Metric("largest process, ever", _shown(lambda s: s.life_peak_process_bytes, format_bytes)),
    Metric("CPU of start-up", _shown(lambda s: s.start_cpu_seconds, format_seconds)),
    Metric("CPU, from start to end", _shown(lambda s: s.life_cpu_seconds, format_seconds)),
    Metric("hand-over", _shown_stats(lambda s: s.handover, lambda h: format_seconds(h.median))),
    Metric(
        "reported runtime", _shown_stats(lambda s: s.reported, lambda r: format_seconds(r.median))
    ),
)

#: How to read the metrics.
LEGEND = (
    "Runtime is measured from outside: from the first byte of a fresh text that is sent until the "
    "whole answer has arrived. Start-up (process, imports, constructor) comes before it and is "
    "not part of it; warm-up is what all answers before the measured ones took. Memory and CPU are "
    "those of all processes of an orchestrator together. Success is of all runs, warm-up and "
    "checks included."
)


def winners(summaries: Sequence[Summary]) -> dict[str, set[str]]:
    """Finds the best orchestrators of each metric. Ties are shared.

    An orchestrator that was ever wrong is excluded. The others are compared only if their success
    rate is the highest one, because failing must not make an orchestrator fast.

    Returns:
      The names of the best orchestrators, by the name of the metric.
    """
    right = [summary for summary in summaries if summary.is_right]
    best_rate = max((summary.success_rate for summary in right), default=0.0)
    reliable = [summary for summary in right if summary.success_rate == best_rate]
    found = {}
    for metric in (*METRICS, *DETAILS):
        if metric.cost is None:
            continue
        costs = {summary.name: metric.cost(summary) for summary in reliable}
        known = {name: cost for name, cost in costs.items() if cost is not None}
        lowest = min(known.values(), default=0.0)
        found[metric.name] = {name for name, cost in known.items() if cost == lowest}
    return found
