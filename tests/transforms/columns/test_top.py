"""The greatest counts are kept, as from elements."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from tests.support.beam import pipeline
from tests.support.tables import records_of, rows_of
from transforms.columns.convert import UnpackRecords
from transforms.columns.elements import RecordColumns
from transforms.columns.top import TopColumns, TopColumnsFn
from transforms.expand import AnagramCount


@given(
    st.dictionaries(st.text("abé漢", min_size=1, max_size=2), st.integers(1, 3)),
    st.integers(1, 6),
    st.integers(1, 5),
)
def test_the_greatest_are_kept_however_records_are_distributed(
    counts: dict[str, int], number: int, rows: int
) -> None:
    table = records_of(counts)
    fn = TopColumnsFn(number)
    parts = [RecordColumns(table.slice(at, rows)) for at in range(0, len(counts), rows)]
    accumulators = [fn.add_input(fn.create_accumulator(), part) for part in parts]
    merged = fn.merge_accumulators([fn.create_accumulator(), *accumulators])
    expected = sorted(rows_of(table), key=lambda row: (-row[1], row[0]))[:number]
    assert sorted(rows_of(fn.extract_output(merged).table)) == sorted(expected)


@pytest.mark.parametrize(("number", "words"), [(None, "abc"), (2, "bc"), (1, "b"), (9, "abc")])
def test_top_columns_keeps_so_many(number: int | None, words: str) -> None:
    counts = {"a": 1, "b": 3, "c": 3}
    with pipeline() as p:
        columns = p | beam.Create([RecordColumns(records_of(counts))])
        kept = columns | TopColumns(number) | UnpackRecords()
        assert_that(kept, equal_to([AnagramCount(word, counts[word], word) for word in words]))


def test_no_records_have_no_greatest() -> None:
    with pipeline() as p:
        kept = p | beam.Create([]) | TopColumns(3) | UnpackRecords()
        assert_that(kept, equal_to([]))


def test_invalid_settings_are_refused_by_name_and_value() -> None:
    with pytest.raises(ValueError, match=r"top=0.*1 or more"):
        TopColumns(0)
