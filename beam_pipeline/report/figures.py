"""Turns the totals, metrics and options of a run into the figures of its report."""

from collections.abc import Sequence
from typing import Any

from apache_beam.metrics.metric import MetricResults, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.options import AnagramOptions
from beam_pipeline.redaction import redact_value
from beam_pipeline.report.model import COUNTERS, DeadLetters, Distribution, LengthCount
from transforms.stages.beam_metrics import NAMESPACE
from transforms.stages.totals import Count, Totals

# The maximum length of the value of an option, in characters; longer ones are shortened.
_MAX_OPTION_LENGTH = 200


def counters(totals: Totals | None) -> dict[str, int | None]:
    """Returns the `COUNTERS` by name; each is None if there are no totals."""
    return {count.value: None if totals is None else totals[count] for count in COUNTERS}


def words_by_length(totals: Totals) -> tuple[LengthCount, ...]:
    """Returns how many words have each length, in ascending order, without lengths of no word."""
    by_length = sorted(totals.words_by_length.items())
    return tuple(LengthCount(length, words) for length, words in by_length if words)


def word_length(counts: Sequence[LengthCount]) -> Distribution | None:
    """Returns the distribution of the lengths of all words; None if there are no words.

    Args:
      counts: in ascending order of length.
    """
    words = sum(count.words for count in counts)
    if not words:
        return None
    letters = sum(count.length * count.words for count in counts)
    return Distribution(words, counts[0].length, letters / words, counts[-1].length)


def dead_letters(path: str | None, totals: Totals | None) -> DeadLetters:
    """Returns the number of dead letters, by cause.

    Args:
      path: the file of dead letters, if any.
      totals: the totals of the run; None if it has failed.
    """
    if totals is None:
        return DeadLetters(path, None, {})
    causes = {
        f"{stage}: {error_type}": number
        for (stage, error_type), number in sorted(totals.dead_letters_by_cause.items())
    }
    return DeadLetters(path, totals[Count.DEAD_LETTERS], causes)


def distributions(metrics: MetricResults) -> dict[str, Distribution]:
    """Returns the distributions that this project reports to Beam, over all steps and workers."""
    parts_by_name: dict[str, list[Any]] = {}
    for metric in metrics.query(MetricsFilter().with_namespace(NAMESPACE))["distributions"]:
        if metric.result is not None and metric.result.count:
            parts_by_name.setdefault(metric.key.metric.name, []).append(metric.result)
    return {name: _combine(parts) for name, parts in parts_by_name.items()}


def _combine(parts: Sequence[Any]) -> Distribution:
    count = sum(part.count for part in parts)
    return Distribution(
        count,
        min(part.min for part in parts),
        sum(part.sum for part in parts) / count,
        max(part.max for part in parts),
    )


def shown_options(options: PipelineOptions) -> dict[str, Any]:
    """Returns the options to report: ours, and those of Beam's that were given.

    Secrets are replaced by ``***``, and long texts are shortened.
    """
    given = options.get_all_options(drop_default=True)
    defaults = AnagramOptions([]).get_all_options(current_only=True)
    shown = {name: value for name, value in (defaults | given).items() if value not in (None, [])}
    return {name: _shown(name, value) for name, value in sorted(shown.items())}


def _shown(name: str, value: Any) -> Any:
    value = redact_value(name, value)
    if isinstance(value, str) and len(value) > _MAX_OPTION_LENGTH:
        return f"{value[:_MAX_OPTION_LENGTH]}... ({len(value):,} characters)"
    return value
