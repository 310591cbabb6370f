"""One transform in a pipeline of its own."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.version import __version__

from beam_pipeline.options import AnagramOptions
from tests.support.cli import ROOT

_BEYOND = re.search(r"apache-beam>=.*,<2\.(\d+)", (ROOT / "pyproject.toml").read_text())
assert _BEYOND
#: The newest version of Beam that is supported, without its last number.
NEWEST = f"2.{int(_BEYOND[1]) - 1}."
#: For tests of files that name the newest version of Beam, or of what only that can do.
of_newest_beam = pytest.mark.skipif(
    not __version__.startswith(NEWEST), reason=f"is about Beam {NEWEST}*"
)


def pipeline() -> TestPipeline:
    """A pipeline for a test. Beam's default runner would try to download another one.

    Our options are as Beam's, and cheaper.
    """
    return TestPipeline(runner="FnApiRunner", options=AnagramOptions([]))


def assert_gives(
    inputs: Iterable[Any], transform: beam.PTransform[Any, Any], expected: Iterable[Any]
) -> None:
    """`transform` turns the elements `inputs` into `expected`, in any order."""
    with pipeline() as p:
        given = p | beam.Create(list(inputs), reshuffle=False)
        assert_that(given | "Tested" >> transform, equal_to(list(expected)))


def assert_source_gives(
    source: beam.PTransform[Any, Any], expected: Iterable[Any], of: Callable[[Any], Iterable[Any]]
) -> None:
    """The elements of `source` have the parts `expected` when `of` takes each apart."""
    with pipeline() as p:
        parts = p | "Tested" >> source | "TakeApart" >> beam.FlatMap(of)
        assert_that(parts, equal_to(list(expected)))
