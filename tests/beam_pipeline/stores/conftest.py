"""One server of each store for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.support.stores import STORES, Store, serving


@pytest.fixture(scope="module", params=sorted(STORES))
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store that serves as long as the tests of a file run."""
    name = str(request.param)
    with serving(STORES[name](tmp_path_factory.mktemp(name))) as store:
        yield store
