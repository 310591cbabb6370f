"""A real collector of OpenTelemetry takes what is sent to it."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.cli import run
from tests.support.worker_pool import free_port

pytestmark = pytest.mark.cluster

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}}
exporters: {debug: {verbosity: detailed}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
    metrics: {receivers: [otlp], exporters: [debug]}
"""
_PATIENCE = 60


def is_open(port: int) -> bool:
    """Whether a server on this machine listens at a port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def test_a_collector_gets_the_trace_and_the_metrics_of_a_run(tmp_path: Path) -> None:
    program, port = programs.otel_collector(), free_port()
    (tmp_path / "collector.yaml").write_text(CONFIG % port)
    with (tmp_path / "collected.txt").open("wb") as log:
        collector = subprocess.Popen(
            [program, f"--config={tmp_path / 'collector.yaml'}"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not is_open(port):
            printed = (tmp_path / "collected.txt").read_text()
            assert collector.poll() is None and time.monotonic() < deadline, printed
            time.sleep(0.1)
        finished = run(
            *("--text=The cat sat.", "--telemetry=opentelemetry"),
            cwd=tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        )
        assert finished.code == 0, finished.err
        assert finished.err.count("\n") == 1
        collector.terminate()
        assert collector.wait(_PATIENCE) == 0
    finally:
        collector.kill()
        collector.wait()
    collected = (tmp_path / "collected.txt").read_text()
    lines = {" ".join(line.split()) for line in collected.splitlines()}
    assert {"Name : count anagrams", "-> Name: beam_anagrams.words"} <= lines
    assert "-> service.name: Str(beam-anagrams)" in lines
