"""A broker for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import Broker, serving


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that serves as long as the tests of a file run."""
    with serving(tmp_path_factory.mktemp("broker")) as broker:
        yield broker
