"""Sends to OpenLineage which files a run reads and writes, and its totals."""

import contextlib
import datetime
import os
import urllib.parse
from collections.abc import Iterator

import apache_beam as beam
import attr
from openlineage.client import OpenLineageClient, event_v2, set_producer
from openlineage.client.facet_v2 import (
    OutputDatasetFacet,
    RunFacet,
    error_message_run,
    output_statistics_output_dataset,
    processing_engine_run,
)
from openlineage.client.uuid import generate_new_uuid

import beam_pipeline
from beam_pipeline.report.model import RunReport
from beam_pipeline.telemetry.run_info import NAME, RunInfo

JOB = "count_anagrams"
_NAMESPACE = "OPENLINEAGE_NAMESPACE"


@attr.define
class TotalsRunFacet(RunFacet):
    """The totals, time and memory of a run, by the names of the report."""

    totals: dict[str, int]
    wallSeconds: float  # noqa: N815
    peakMemoryBytes: int | None = None  # noqa: N815


class Exporter:
    """Sends the events of one run. Environment variables configure it; see `OpenLineageClient`."""

    def __init__(self, info: RunInfo):
        set_producer(f"urn:{NAME}:{beam_pipeline.__version__}")
        with _environment_kept():
            self._client = OpenLineageClient()
        self._info = info
        self._run_id = str(generate_new_uuid())

    def start(self) -> None:
        self._emit(event_v2.RunState.START, {})

    def end(self, report: RunReport) -> None:
        totals = {name: value for name in report.metrics if (value := report.counter(name))}
        facets: dict[str, RunFacet] = {
            "beamAnagrams_totals": TotalsRunFacet(
                totals, report.wall_seconds, report.peak_memory_bytes
            )
        }
        state = event_v2.RunState.COMPLETE
        if report.status != "done":
            is_interrupted = (report.error or "").startswith("interrupted")
            state = event_v2.RunState.ABORT if is_interrupted else event_v2.RunState.FAIL
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=report.error or "", programmingLanguage="python"
            )
        self._emit(state, facets, report)

    def _emit(
        self, state: event_v2.RunState, facets: dict[str, RunFacet], report: RunReport | None = None
    ) -> None:
        facets["processing_engine"] = processing_engine_run.ProcessingEngineRunFacet(
            version=beam.__version__, name="Apache Beam"
        )
        outputs = []
        for number, path in enumerate(self._info.outputs):
            of_output: dict[str, OutputDatasetFacet] = {}
            if report is not None and report.status == "done" and number == 0:
                rows = report.counter("records_written")
                of_output["outputStatistics"] = (
                    output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                        rowCount=rows
                    )
                )
            outputs.append(event_v2.OutputDataset(*dataset_name(path), outputFacets=of_output))
        self._client.emit(
            event_v2.RunEvent(
                eventType=state,
                eventTime=datetime.datetime.now(datetime.timezone.utc).isoformat(),
                run=event_v2.Run(self._run_id, facets),
                job=event_v2.Job(os.environ.get(_NAMESPACE, NAME), JOB),
                inputs=[event_v2.InputDataset(*dataset_name(path)) for path in self._info.inputs],
                outputs=outputs,
            )
        )


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Removes variables that the client derives from others, because later runs would read them."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            if name.startswith("OPENLINEAGE__"):
                del os.environ[name]


def dataset_name(path: str) -> tuple[str, str]:
    """Returns the namespace and the name of a file, as OpenLineage names datasets.

    Example:
      >>> dataset_name("/data/a.txt"), dataset_name("s3://bucket/b/*.txt")
      (('file', '/data/a.txt'), ('s3://bucket', 'b/*.txt'))
    """
    parts = urllib.parse.urlsplit(path)
    if "://" not in path:
        return "file", path
    rest = path.split("://", 1)[1]
    return f"{parts.scheme}://{rest.partition('/')[0]}", rest.partition("/")[2] or "/"
