"""The environment of job servers says that they serve this machine, unless somebody has said else.

test_flink.py looks at what they really listen at.
"""

import os
from pathlib import Path

import pytest

from beam_pipeline.runners.own_servers import own_servers_at_loopback


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
