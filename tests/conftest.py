"""Settings and fixtures for all tests."""

import pytest
from hypothesis import HealthCheck, settings

from tests.support import reference

#: Orchestrators that misbehave, the data of tests: not to be imported in search of examples.
collect_ignore = ["beam_pipeline/benchmark/compare/planted"]

settings.register_profile(
    "random", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
#: The same examples each time, with `--hypothesis-profile=repeatable`: CI judges a change, and new
#: examples are sought at every other run.
settings.register_profile("repeatable", settings.get_profile("random"), derandomize=True)
#: What they prove holds on one Python as on another: a few show that the code runs there.
settings.register_profile("few", settings.get_profile("repeatable"), max_examples=10)
settings.load_profile("random")


@pytest.fixture(scope="session")
def gcide() -> frozenset[str]:
    """The words of GCIDE, as the reference reads them."""
    return reference.dictionary_words("gcide")


@pytest.fixture(scope="session")
def web2() -> frozenset[str]:
    """The words of Webster's Second, as the reference reads them."""
    return reference.dictionary_words("web2")
