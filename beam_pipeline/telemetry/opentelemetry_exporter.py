"""Sends a trace of a run, with a span for each phase, and its totals as metrics, by OTLP."""

import os
import time

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import beam_pipeline
from beam_pipeline.report.model import RunReport
from beam_pipeline.telemetry.run_info import NAME, RunInfo

_PREFIX = "beam_anagrams"


class Exporter:
    """Sends what one run did to the collector in ``OTEL_EXPORTER_OTLP_ENDPOINT``.

    The environment variable ``TRACEPARENT`` may have the parent span of the run.
    """

    def __init__(self, info: RunInfo):
        self._info = info
        attributes = {"service.name": NAME, "service.version": beam_pipeline.__version__}
        if os.environ.get("OTEL_SERVICE_NAME"):
            del attributes["service.name"]
        self._resource = Resource.create(attributes)

    def start(self) -> None:
        pass  # a trace is sent at the end, when the durations of its spans are known

    def end(self, report: RunReport) -> None:
        ended = time.time_ns()
        failed = []
        if not self._send_trace(report, ended):
            failed.append("traces")
        if not self._send_metrics(report):
            failed.append("metrics")
        if failed:
            raise OSError(f"the collector did not take {' and '.join(failed)}")

    def _send_trace(self, report: RunReport, ended: int) -> bool:
        spans = InMemorySpanExporter()
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(spans))
        tracer = provider.get_tracer("beam_pipeline", beam_pipeline.__version__)
        began = ended - round(1e9 * report.wall_seconds)
        carrier = {"traceparent": os.environ.get("TRACEPARENT", "")}
        run = tracer.start_span(
            "count anagrams",
            context=TraceContextTextMapPropagator().extract(carrier),
            start_time=began,
            attributes={
                f"{_PREFIX}.runner": report.runner,
                f"{_PREFIX}.dictionary": report.dictionary.spec,
                f"{_PREFIX}.inputs": self._info.inputs,
                f"{_PREFIX}.outputs": self._info.outputs,
            },
        )
        inside, at = trace.set_span_in_context(run), began
        for phase in report.phases or ():
            span = tracer.start_span(phase.name, context=inside, start_time=at)
            at += round(1e9 * phase.seconds)
            span.end(min(at, ended))
        if report.status != "done":
            run.set_status(trace.Status(trace.StatusCode.ERROR, report.error))
        run.end(ended)
        sent: bool = OTLPSpanExporter().export(spans.get_finished_spans()) is (
            SpanExportResult.SUCCESS
        )
        return sent

    def _send_metrics(self, report: RunReport) -> bool:
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], self._resource, shutdown_on_exit=False)
        meter = provider.get_meter("beam_pipeline", beam_pipeline.__version__)
        for name in report.metrics:
            if (total := report.counter(name)) is not None:
                unit = "By" if name == "bytes_read" else ""
                meter.create_counter(f"{_PREFIX}.{name}", unit).add(total)
        for name, unit in (
            ("wall_seconds", "s"),
            ("cpu_seconds", "s"),
            ("peak_memory_bytes", "By"),
        ):
            if (value := getattr(report, name)) is not None:
                meter.create_gauge(f"{_PREFIX}.{name}", unit).set(value)
        data = reader.get_metrics_data()
        sent: bool = data is None or OTLPMetricExporter().export(data) is MetricExportResult.SUCCESS
        return sent
