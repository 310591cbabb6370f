"""A broker for the tests of a file."""

import importlib.util
from collections.abc import Iterator

import pytest

from tests.support.kafka import Broker, serving


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that serves as long as the tests of a file run."""
    with serving(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


# Kafka and watched files need what only the newest Beam has.
collect_ignore = (
    []
    if importlib.util.find_spec("apache_beam.io.unbounded_source")
    else ["test_kafka.py", "test_kafka_broker.py", "test_watch.py"]
)
