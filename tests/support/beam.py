"""One transform in a pipeline of its own."""

from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from beam_pipeline.options import AnagramOptions


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
