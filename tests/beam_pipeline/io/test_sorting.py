"""Tables of records are sorted, and split into parts of which each comes before the next."""

from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.io.sorting import ORDERS, sort, split_into_parts
from tests.support.tables import records_of
from transforms.columns.tables import take, with_groups

counts = st.dictionaries(
    st.text("ab", min_size=1, max_size=12)
    | st.text("ab\u00e9\u6f22\U0001d54f", min_size=1, max_size=5),
    st.integers(1, 4),
    max_size=80,
)
groups = st.lists(st.sampled_from(["", "a", "a\0", "b", "\U0001d54f"]), max_size=40)


def in_order(table: pyarrow.Table, order: str) -> list[dict[str, Any]]:
    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row.get("group", ""), -row["count"] if order == "count" else 0, row["word"]

    return sorted(table.to_pylist(), key=key)


@given(
    counts,
    groups,
    st.sampled_from(ORDERS),
    st.integers(1, 7),
    st.sampled_from([1, 3, 20, 1000]),
    st.sampled_from([1, 2]),
)
def test_parts_of_tables_are_in_order(
    counted: dict[str, int],
    named: list[str],
    order: str,
    number: int,
    part_rows: int,
    threads: int,
) -> None:
    table = records_of(counted)
    if named:
        table = with_groups(table, [named[row % len(named)] for row in range(len(counted))])
    tables = [take(table, np.arange(at, len(counted), number)) for at in range(number)]
    parts = [
        sort(part, order).to_pylist()
        for part in split_into_parts(tables, order, part_rows, threads)
    ]
    assert all(parts)
    assert [row for part in parts for row in part] == in_order(table, order)


@pytest.mark.parametrize("order", ORDERS)
def test_large_tables_are_sorted_alike_and_their_parts_are_small(order: str) -> None:
    counted = {f"{n * 7919 % 10_007:x}é": n % 90 + 1 for n in range(9_000)}
    table = records_of(counted)
    tables = [take(table, np.arange(at, 9_000, 3)) for at in range(3)]
    parts = list(split_into_parts(tables, order, 2_000))
    assert max(part.num_rows for part in parts) < 4_000
    found = [row for part in parts for row in sort(part, order).to_pylist()]
    assert found == in_order(table, order)


def test_no_tables_have_no_parts() -> None:
    assert list(split_into_parts([], "word", 10)) == []
    assert list(split_into_parts([records_of({})], "word", 10)) == []
