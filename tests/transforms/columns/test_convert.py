"""Elements are packed into columns and unpacked again, and none is lost."""

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from tests.support.beam import pipeline
from tests.support.tables import rows_of
from transforms.columns.combine import CombineColumns
from transforms.columns.convert import PackCounts, PackRecords, UnpackRecords
from transforms.columns.packing import from_bytes
from transforms.counts import ClassTally
from transforms.expand import AnagramCount

RECORDS = [AnagramCount(f"{n}é", n, f"é{n}") for n in range(1, 30)]


@pytest.mark.parametrize("max_rows", [1, 7, 1 << 16])
def test_records_are_packed_and_unpacked(max_rows: int) -> None:
    with pipeline() as p:
        records = p | beam.Create(RECORDS).with_output_types(AnagramCount)
        assert_that(records | PackRecords(max_rows) | UnpackRecords(), equal_to(RECORDS))


@pytest.mark.parametrize("max_rows", [1, 7, 1 << 16])
def test_counts_and_tallies_are_packed(max_rows: int) -> None:
    tallies = [("act", ClassTally(5, ("act", "cat"))), ("é", ClassTally(2, ("é",)))]
    for elements, expected in (
        ([("act", 2), ("dgo", 1), ("act", 3)], {"act": 5, "dgo": 1}),
        # The sum over the words of a class is its count.
        (tallies, {"act": 5, "cat": 0, "é": 2}),
    ):
        with pipeline() as p:
            rows = (
                p
                | beam.Create(elements)
                | PackCounts(3, max_rows)
                | CombineColumns()
                | beam.FlatMapTuple(lambda _, columns: rows_of(from_bytes(columns)))
            )
            assert_that(rows, equal_to(expected.items()))


def test_nothing_makes_no_columns() -> None:
    with pipeline() as p:
        nothing = p | beam.Create([])
        assert_that(nothing | PackCounts(), equal_to([]), "Counts")
        assert_that(nothing | PackRecords(), equal_to([]), "Records")


@pytest.mark.parametrize("settings", [{"buckets": 0}, {"max_rows": 0}])
def test_invalid_settings_are_refused_by_name_and_value(settings: dict[str, Any]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"{name}={value}.*1 or more"):
        PackCounts(**settings)
