"""It is known how job servers have ended, and their environment says to serve this machine only.

test_flink.py looks at what they really listen at.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from beam_pipeline.runners import own_servers
from beam_pipeline.runners.own_servers import OwnServers, own_servers_at_loopback


@pytest.mark.parametrize(
    ("runner", "name"),
    [("FlinkRunner", "FLINK_CONF_DIR"), ("SparkRunner", "SPARK_LOCAL_IP"), ("PrismRunner", "")],
)
@pytest.mark.parametrize("given", [None, "given"])
def test_the_environment_is_completed_and_restored(
    runner: str, name: str, given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FLINK_CONF_DIR", "SPARK_LOCAL_IP"):
        monkeypatch.delenv(variable, raising=False)
        if given:
            monkeypatch.setenv(variable, given)
    before = dict(os.environ)
    with own_servers_at_loopback(runner):
        within = dict(os.environ)
        value = within.get(name, "")
        if runner == "FlinkRunner" and not given:
            assert "rest.bind-address: 127.0.0.1" in (Path(value) / "config.yaml").read_text()
        elif runner == "SparkRunner" and not given:
            assert value == "127.0.0.1"
        else:
            assert within == before
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("program", "end"),
    [
        (
            "import sys; print('fatal error: all asleep'); print('goroutine 1'); sys.exit(2)",
            "exit code 2: fatal error: all asleep",
        ),
        (
            "import sys; print('panic: one'); print('panic: two'); sys.exit(2)",
            "exit code 2: panic: one",
        ),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
def test_how_a_server_has_ended_is_known(program: str, end: str) -> None:
    servers = OwnServers()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    servers.add(process)
    assert process.stdout is not None
    with process.stdout as output:
        lines = list(iter(output.readline, b""))
    assert servers.end() == end
    assert len(lines) == program.count("print")


def test_a_server_that_runs_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_servers, "_PATIENCE", 0.1)
    servers = OwnServers()
    assert servers.end() == ""
    with subprocess.Popen(["sleep", "600"]) as process:
        servers.add(process)
        assert servers.end() == ""
        process.kill()
        assert servers.end() == "SIGKILL"
