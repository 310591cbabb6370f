"""Tables are packed into bytes, and are the same when they are unpacked."""

import apache_beam as beam
import pyarrow
import pytest
from apache_beam.testing.util import assert_that
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.beam import pipeline
from tests.support.tables import rows_of
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.packing import from_bytes, to_bytes
from transforms.columns.tables import records_table, with_groups

# Every width of integers, and both signs.
numbers = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 300) | st.integers(-200, 70_000)
rows = st.lists(st.tuples(st.text(max_size=3), numbers, st.text(max_size=300)), max_size=8)


@given(rows, st.integers(0, 8), st.integers(0, 8), st.booleans())
@example([], 0, 0, True)
@example([("a", -1, "a"), ("b", (1 << 53) + 1, "b")], 0, 1, False)
def test_a_table_is_the_same_after_a_journey_as_bytes(
    rows: list[tuple[str, int, str]], begin: int, middle: int, has_groups: bool
) -> None:
    words, signatures = [row[0] for row in rows], [row[2] for row in rows]
    table = records_table(words, [row[1] for row in rows], signatures)
    if has_groups:
        table = with_groups(table, signatures)
    pieces = [table.slice(begin, middle), table.slice(middle)]  # slices of the same memory
    for whole in (table, *pieces, pyarrow.concat_tables(pieces)):
        found = from_bytes(to_bytes(whole))
        assert found.equals(whole.combine_chunks())
        assert found.schema == whole.schema


def test_equal_values_take_little_room() -> None:
    table = records_table(["abc"] * 10_000, [1] * 10_000, ["abc"] * 10_000)
    assert len(to_bytes(table)) < 3_000


@pytest.mark.parametrize("element_type", [RecordColumns, GroupedColumns])
def test_beam_moves_tables_to_other_stages(element_type: type) -> None:
    table = records_table(["act", "cat"], [1, 1], ["act", "act"])
    if element_type is GroupedColumns:
        table = with_groups(table, ["a", "b"])

    def check(found: list[RecordColumns | GroupedColumns]) -> None:
        assert [type(one) for one in found] == [element_type]
        assert rows_of(found[0].table) == rows_of(table)

    with pipeline() as p:
        columns = p | beam.Create([element_type(table)]) | beam.Reshuffle()
        assert columns.element_type is element_type
        assert_that(columns, check)
