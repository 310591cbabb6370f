"""Totals, metrics and options of a run -> the figures of its report."""

import re
from typing import Any

from apache_beam.metrics.metric import MetricResults, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.options import AnagramOptions
from beam_pipeline.report.model import COUNTERS, DeadLetters, Distribution, LengthCount
from transforms.stages.metrics import NAMESPACE
from transforms.stages.totals import Count, Totals

_LONGEST_OPTION = 200
_SECRET = re.compile(r"secret|passw|token|credential|connection_string|(access|private|api)_?key")


def counters(totals: Totals | None) -> dict[str, int | None]:
    """Returns the `COUNTERS` by name; each is None if there are no totals."""
    return {count.value: None if totals is None else totals[count] for count in COUNTERS}


def lengths(totals: Totals) -> tuple[LengthCount, ...]:
    """Returns how many words have each length, without lengths that no word has."""
    by_length = sorted(totals.words_by_length.items())
    return tuple(LengthCount(length, words) for length, words in by_length if words)


def word_length(counts: tuple[LengthCount, ...]) -> Distribution | None:
    """The distribution over all words; None if there are no words."""
    words = sum(one.words for one in counts)
    if not words:
        return None
    letters = sum(one.length * one.words for one in counts)
    return Distribution(words, counts[0].length, letters / words, counts[-1].length)


def dead_letters(path: str | None, totals: Totals | None) -> DeadLetters:
    """Returns what there is to say of the dead letters in the file `path`."""
    if totals is None:
        return DeadLetters(path, None, {})
    causes = {
        f"{stage}: {error_type}": number
        for (stage, error_type), number in sorted(totals.dead_letters_by_cause.items())
    }
    return DeadLetters(path, totals[Count.DEAD_LETTERS], causes)


def distributions(metrics: MetricResults) -> dict[str, Distribution]:
    """Beam's distributions of this project, each step's and worker's in one."""
    found: dict[str, list[Any]] = {}
    for metric in metrics.query(MetricsFilter().with_namespace(NAMESPACE))["distributions"]:
        if metric.result is not None and metric.result.count:
            found.setdefault(metric.key.metric.name, []).append(metric.result)
    return {
        name: Distribution(
            count := sum(one.count for one in parts),
            min(one.min for one in parts),
            sum(one.sum for one in parts) / count,
            max(one.max for one in parts),
        )
        for name, parts in found.items()
    }


def shown_options(options: PipelineOptions) -> dict[str, Any]:
    """The options of a run, ours with their defaults, without what is nobody's business."""
    given = options.get_all_options(drop_default=True)
    defaults = AnagramOptions([]).get_all_options(current_only=True)
    shown = {name: value for name, value in (defaults | given).items() if value is not None}
    return {name: _shown(name, value) for name, value in sorted(shown.items())}


def _shown(name: str, value: Any) -> Any:
    if _SECRET.search(name):
        return "***"
    if isinstance(value, str) and len(value) > _LONGEST_OPTION:
        return f"{value[:_LONGEST_OPTION]}... ({len(value):,} characters)"
    return value
