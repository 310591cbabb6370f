"""Collectors are told what a run did, and none of them can block or fail it."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.report.model import RunReport
from beam_pipeline.telemetry.run_info import RunInfo
from beam_pipeline.telemetry.sending import Telemetry, make_exporter
from tests.support.cli import (
    COMMAND,
    GIVE_UP,
    Here,
    assert_one_line_error,
    environment,
    interruptible,
)
from tests.support.http_receiver import receiving
from tests.support.packages import without
from tests.support.reports import done, failed

pytest.importorskip("openlineage.client", reason="needs the extra dev")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra dev")

NAMES = ["openlineage", "opentelemetry"]
INFO = RunInfo(("/texts/a.txt", "s3://bucket/b.txt"), ("/results/counts.json",))
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Here:
    """Runs the command line in a folder with a text."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("The cat sat.")
    return Here(capfdbinary)


@pytest.fixture
def received(tmp_path: Path) -> Path:
    folder = tmp_path / "received"
    folder.mkdir()
    return folder


def direct_to(url: str, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("OPENLINEAGE_URL", url)
    patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)


def tell(report: RunReport, **settings: Any) -> list[str]:
    """Tells all collectors of a run, and returns what the user is told."""
    notices: list[str] = []
    telemetry = Telemetry(NAMES, notices.append, **settings)
    telemetry.start(INFO)
    telemetry.end(report, INFO)
    return notices


def test_a_whole_run_is_told(here: Here, received: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--input=a.txt", "--output=counts.json", *(f"--telemetry={n}" for n in NAMES)]
    with receiving(received) as collector:
        direct_to(collector.url, monkeypatch)
        finished = here(*arguments)
        assert finished.code == 0, finished.err
        assert finished.err.count("\n") == 1
        start, complete = map(json.loads, collector.bodies("lineage"))
        assert len(collector.bodies("traces")) == len(collector.bodies("metrics")) == 1
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    names = [{"namespace": "file", "name": str(Path(name).absolute())} for name in ("a.txt",)]
    assert [{key: one[key] for key in names[0]} for one in complete["inputs"]] == names
    (output,) = complete["outputs"]
    assert output["name"] == str(Path("counts.json").absolute())
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 6
    assert complete["run"]["facets"]["beamAnagrams_totals"]["totals"]["words"] == 3
    assert complete["run"]["facets"]["processing_engine"]["name"] == "Apache Beam"


def test_a_trace_has_the_phases_and_metrics_have_the_names_of_the_report(
    received: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SPAN}-01")
    with receiving(received) as collector:
        direct_to(collector.url, monkeypatch)
        assert tell(done()) == []
        (traces,), (metrics,) = collector.bodies("traces"), collector.bodies("metrics")
    (resource,) = ExportTraceServiceRequest.FromString(traces).resource_spans
    spans = {span.name: span for span in resource.scope_spans[0].spans}
    run = spans.pop("count anagrams")
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == (TRACE, SPAN)
    assert run.end_time_unix_nano - run.start_time_unix_nano == 3_250_000_000
    assert [*spans] == [phase.name for phase in done().phases or ()]
    for phase in done().phases or ():
        span = spans[phase.name]
        assert span.parent_span_id == run.span_id
        assert span.end_time_unix_nano - span.start_time_unix_nano == phase.seconds * 1e9
    (resource,) = ExportMetricsServiceRequest.FromString(metrics).resource_metrics
    values = {
        metric.name: getattr(metric, metric.WhichOneof("data")).data_points[0]
        for metric in resource.scope_metrics[0].metrics
    }
    assert values["beam_anagrams.words"].as_int == 4
    assert values["beam_anagrams.peak_memory_bytes"].as_int == 322_000_000
    assert {attribute.key for attribute in resource.resource.attributes} >= {"service.name"}


@pytest.mark.parametrize(
    ("report", "state"),
    [
        (failed(), "FAIL"),
        (failed(error="interrupted; nothing was published"), "ABORT"),
    ],
)
def test_a_run_that_fails_is_told_too(
    received: Path, monkeypatch: pytest.MonkeyPatch, report: RunReport, state: str
) -> None:
    with receiving(received) as collector:
        direct_to(collector.url, monkeypatch)
        assert tell(report) == []
        _, end = map(json.loads, collector.bodies("lineage"))
        assert len(collector.bodies("traces")) == 1
    assert end["eventType"] == state
    assert end["run"]["facets"]["errorMessage"]["message"] == report.error
    assert "outputStatistics" not in end["outputs"][0].get("outputFacets", {})


def test_a_collector_that_refuses_is_a_line_for_the_user(
    received: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(received, "refuse") as collector:
        direct_to(collector.url, monkeypatch)
        notices = tell(done())
    assert [notice.split(":")[0] for notice in notices] == NAMES
    assert all("could not be told" in notice and "\n" not in notice for notice in notices)


@pytest.mark.slow
def test_a_collector_that_hangs_or_is_gone_does_not_fail_a_run(
    here: Here, received: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--text=cat", *(f"--telemetry={name}" for name in NAMES)]
    with receiving(received, "hang") as collector:
        direct_to(collector.url, monkeypatch)
        finished = here(*arguments, "--log_format=json")
        assert finished.code == 0
        assert json.loads(finished.out) == {"act": 1, "cat": 1, "tac": 1}
        events = [json.loads(line) for line in finished.err.splitlines()]
        assert [event["event"] for event in events] == ["notice", "notice", "done"]
    finished = here(*arguments)  # nobody listens there any more
    assert finished.code == 0
    assert len(finished.err.splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["take", "hang"])
def test_an_interrupted_run_is_told_and_ends_whatever_the_collector_does(
    received: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    with receiving(received, mode) as collector, interruptible():
        direct_to(collector.url, monkeypatch)
        arguments = ["--text=cat", "--chaos=expand=1:1000", *(f"--telemetry={n}" for n in NAMES)]
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not list(received.glob("*-lineage")):  # it has begun
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=GIVE_UP)
        assert (process.returncode, out) == (130, "")
        assert err.splitlines()[-1] == "error: interrupted; nothing was published"
        if mode == "take":
            _, end = map(json.loads, collector.bodies("lineage"))
            assert end["eventType"] == "ABORT"


def test_no_exporter_can_block_or_fail_a_run() -> None:
    class Hangs:
        def start(self) -> None:
            threading.Event().wait()

        def end(self, report: RunReport) -> None:
            pass

    def make(name: str, info: RunInfo) -> Any:
        if name == "opentelemetry":
            raise RuntimeError("broken\x1b")
        return Hangs()

    assert tell(done(), make=make, patience=0.01) == [
        "openlineage: no answer in 0.01 s",
        "opentelemetry: could not be told (broken\x1b)",
    ]


def test_what_is_missing_is_an_error_before_the_run(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    finished = here("--text=cat", "--telemetry=openlineage")
    assert_one_line_error(finished, "--telemetry=openlineage", "OPENLINEAGE_URL", code=2)
    assert_one_line_error(here("--text=cat", "--telemetry=zipkin"), "zipkin", code=2)
    with without("opentelemetry.exporter"):  # Google's clients need the rest
        finished = here("--text=cat", "--telemetry=opentelemetry")
    assert_one_line_error(finished, "pip install 'beam-anagrams[opentelemetry]'", code=2)


def test_exporters_are_made_by_name_and_leave_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    direct_to("http://localhost:1", monkeypatch)
    before = dict(os.environ)
    for name in NAMES:
        assert make_exporter(name, INFO)
    assert dict(os.environ) == before
