"""Runs -> figures: medians with their spread, and what stands out."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from beam_pipeline.benchmark.compare.comparison import Comparison, Score
from beam_pipeline.benchmark.compare.orchestrator_process import DONE, TIMEOUT
from beam_pipeline.benchmark.compare.verdict import MEASURED, verdict

_MOST_NOTES = 3


@dataclass(frozen=True)
class Spread:
    """Some measurements of one quantity, in its unit.

    Attributes:
      outliers: farther from the middle half than one and a half times its width (Tukey's fences);
        told only of four measurements and more.
    """

    mean: float
    deviation: float
    least: float
    quarter: float
    median: float
    three_quarters: float
    greatest: float
    outliers: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """`values`, at least one -> their spread."""
        first, middle, third = (
            statistics.quantiles(values, method="inclusive") if len(values) > 1 else [*values] * 3
        )
        reach = 1.5 * (third - first)
        outliers = [value for value in values if not first - reach <= value <= third + reach]
        return cls(
            statistics.fmean(values),
            statistics.stdev(values) if len(values) > 1 else 0.0,
            min(values),
            first,
            middle,
            third,
            max(values),
            tuple(sorted(outliers)) if len(values) > 3 else (),
        )


@dataclass(frozen=True)
class Summary:
    """An orchestrator on one subject.

    Attributes:
      verdict: ``right``, or what is wrong.
      runs, successes: all runs, and those that gave the right answer.
      runtime: seconds of the measured runs; None where none was answered. The same for
        `reported` (what the orchestrator claims), `handover` and `cpu`.
      words_per_second: words of the subject by the median of the runtime.
      peak_bytes, growth_bytes, peak_process_bytes: the most in any measured run.
      start_seconds: the median of its starts.
      notes: errors and differences, each once.
    """

    name: str
    verdict: str
    runs: int
    successes: int
    timed_out: bool
    runtime: Spread | None
    reported: Spread | None
    handover: Spread | None
    cpu: Spread | None
    words_per_second: float | None
    peak_bytes: int | None
    growth_bytes: int | None
    peak_process_bytes: int | None
    start_seconds: float | None
    notes: tuple[str, ...]

    @property
    def success_rate(self) -> float:
        """From 0 to 1; without runs 0."""
        return self.successes / self.runs if self.runs else 0.0

    @property
    def is_right(self) -> bool:
        """Whether it has answered, always right."""
        return self.verdict == "right"


def summarize(comparison: Comparison) -> list[Summary]:
    """-> the figures of each orchestrator, in order."""
    return [_summary(score, comparison.words) for score in comparison.scores]


def _summary(score: Score, words: int) -> Summary:
    answered = [
        judged.run
        for judged in score.runs
        if judged.purpose == MEASURED and judged.run.status == DONE
    ]
    runtime = _spread([run.seconds for run in answered])
    return Summary(
        score.name,
        "cannot start" if score.cannot_start else verdict(score.runs, score.breaches),
        len(score.runs),
        sum(judged.is_right for judged in score.runs),
        any(judged.run.status == TIMEOUT for judged in score.runs),
        runtime,
        _spread([run.reported_ms / 1000 for run in answered]),
        _spread([run.handover_seconds for run in answered]),
        _spread([run.cpu_seconds for run in answered]),
        words / runtime.median if runtime else None,
        max((run.peak_bytes for run in answered), default=None),
        max((run.growth_bytes for run in answered), default=None),
        max((run.peak_process_bytes for run in answered), default=None),
        None if score.cannot_start else statistics.median(score.start_seconds),
        tuple(_notes(score)),
    )


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread.of(values) if values else None


def _notes(score: Score) -> list[str]:
    notes = [score.cannot_start] if score.cannot_start else []
    for judged in score.runs:
        if judged.run.error:
            notes.append(judged.run.error)
        elif judged.is_wrong:
            notes.append(f"{judged.purpose} text: {judged.difference}")
    different = list(dict.fromkeys(notes))
    left_out = len(different) - _MOST_NOTES
    return [*different[:_MOST_NOTES], *([f"{left_out} more"] if left_out > 0 else [])]


#: What can be compared, as a number of which less is better; None where it was not measured.
_LESS_IS_BETTER: Mapping[str, Callable[[Summary], float | None]] = {
    "runtime": lambda summary: summary.runtime.median if summary.runtime else None,
    "throughput": lambda summary: summary.runtime.median if summary.runtime else None,
    "memory": lambda summary: summary.peak_bytes,
    "growth": lambda summary: summary.growth_bytes,
    "cpu": lambda summary: summary.cpu.median if summary.cpu else None,
    "start": lambda summary: summary.start_seconds,
}


def winners(summaries: Sequence[Summary]) -> dict[str, set[str]]:
    """Quantity -> the names of those that are best at it; ties are shared.

    Who was wrong at any time wins nothing, and speed and memory are compared only among those
    that succeeded as often as the most successful one: failing is no way to be fast.
    """
    right = [summary for summary in summaries if summary.is_right]
    best_rate = max((summary.success_rate for summary in right), default=0.0)
    reliable = [summary for summary in right if summary.success_rate == best_rate]
    found = {"success": {summary.name for summary in reliable}}
    for name, quantity in _LESS_IS_BETTER.items():
        values = {summary.name: quantity(summary) for summary in reliable}
        known = {name: value for name, value in values.items() if value is not None}
        least = min(known.values(), default=0.0)
        found[name] = {name for name, value in known.items() if value == least}
    return found
