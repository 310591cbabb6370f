"""What a pipeline has told Beam about its sources and sinks."""

from apache_beam.metrics.metric import Lineage
from apache_beam.runners.runner import PipelineResult


def lineage_of(result: PipelineResult) -> dict[str, set[str]]:
    """The names of sources and of sinks that a finished run has."""
    metrics = result.metrics()
    return {label: Lineage.query(metrics, label) for label in (Lineage.SOURCE, Lineage.SINK)}
