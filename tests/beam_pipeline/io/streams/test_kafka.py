"""URLs and settings of topics. What needs a broker is in test_kafka_broker.py."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.io.streams import kafka_offsets
from beam_pipeline.io.streams.kafka import ReadKafka
from beam_pipeline.io.streams.kafka_topic import KafkaTopic
from tests.support.kafka import PROGRAM
from transforms.errors import InputError


@pytest.mark.parametrize(
    "url, expected",
    [
        ("kafka://h:9092/t", {}),
        ("KAFKA://h:9092/t/", {}),
        ("kafka://h:9092,[::1]:9093/t", {"servers": ("h:9092", "[::1]:9093")}),
        ("kafka://h:9092/t?group=g&start=latest", {"group": "g", "start": "latest"}),
        ("kafka://h:9092/t?until=now&delay=0.5", {"until_now": True, "delay": 0.5}),
    ],
)
def test_a_url_says_what_is_read(url: str, expected: dict[str, Any]) -> None:
    given: dict[str, Any] = {"servers": ("h:9092",), "topic": "t", **expected}
    assert KafkaTopic.of_url(url) == KafkaTopic(**given)


@pytest.mark.parametrize(
    "url, problem",
    [
        ("kafka://h/t", "HOST:PORT"),
        ("kafka:///t", "HOST:PORT"),
        ("kafka://h:1,/t", "HOST:PORT"),
        ("kafka://h:1/", "topic"),
        ("kafka://h:1/a/b", "topic"),
        ("kafka://h:1/t?groups=g", "groups"),
        ("kafka://h:1/t?group=", "group"),
        ("kafka://h:1/t?group=a&group=b", "twice"),
        ("kafka://h:1/t?start=now", "start"),
        ("kafka://h:1/t?until=tomorrow", "until"),
        ("kafka://h:1/t?delay=-1", "delay"),
        ("kafka://h:1/t?delay=soon", "delay"),
        ("kafka://h:1/t?delay=nan", "delay"),
        ("file:///t", "kafka://"),
    ],
)
def test_a_url_that_says_nothing_is_an_error(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        KafkaTopic.of_url(url)


def test_further_settings_of_the_client_are_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# for tests\nsecurity.protocol = SASL_SSL\n\nsasl_mechanism=PLAIN\n")
    topic = KafkaTopic.of_url(f"kafka://h:1/t?config={file}")
    assert topic.config == {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}
    assert "SASL_SSL" not in repr(topic)  # which may be shown, and a password may be there
    file.write_text("no setting\n")
    with pytest.raises(ValueError, match="line 1"):
        KafkaTopic.of_url(f"kafka://h:1/t?config={file}")
    file.write_text("group_id=g\n")
    with pytest.raises(ValueError, match="group_id"):
        KafkaTopic.of_url(f"kafka://h:1/t?config={file}")
    with pytest.raises(OSError):
        KafkaTopic.of_url(f"kafka://h:1/t?config={tmp_path}/nothing")


@pytest.mark.parametrize(
    "settings, problem",
    [
        ({"topic": "kafka://h:1/t", "commits": True}, "no group"),
        ({"topic": "kafka://h:1/t", "max_splits": 0}, "max_splits"),
        ({"topic": "kafka://h:1/t", "encoding": "nonsense"}, "nonsense"),
        ({"topic": "t"}, "kafka://"),
    ],
)
def test_settings_that_are_not_possible_are_errors(settings: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ReadKafka(**settings)


def test_a_broker_says_that_its_port_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finished = subprocess.run(
            [sys.executable, str(PROGRAM), f"--port={port}", f"--folder={tmp_path / 'kafka'}"],
            capture_output=True,
            text=True,
        )
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == f"port {port} is in use by another program; give another --port\n"
    assert list(tmp_path.iterdir()) == []


def test_a_commit_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [InputError("the broker does not answer")] * 2
    committed: list[dict[int, int]] = []

    class Unreliable:
        def numbers(self) -> list[int]:
            return [0, 1]

        def first_since(self, numbers: list[int], since: float) -> dict[int, int]:
            return {number: int(since) for number in numbers}

        def commit(self, offsets: dict[int, int]) -> None:
            if failures:
                raise failures.pop()
            committed.append(offsets)

    monkeypatch.setattr(kafka_offsets, "_PAUSE", 0.01)
    commits = kafka_offsets._Committed()
    monkeypatch.setattr(commits, "_connected", lambda topic: Unreliable())
    topic = KafkaTopic.of_url("kafka://h:1/t")
    commits.commit_since(topic, 5.0)
    while not committed:
        time.sleep(0.01)
    commits.commit_since(topic, 7.0)
    assert committed == [{0: 5, 1: 5}, {0: 7, 1: 7}]
