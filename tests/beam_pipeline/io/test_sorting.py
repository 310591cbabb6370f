"""Tables of records are sorted, and merged in parts of which each comes before the next."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.io.sorting import ORDERS, map_in_order, sort, split_into_parts
from tests.support.tables import records_of, rows_of
from transforms.columns.tables import take

counts = st.dictionaries(
    st.text("ab\u00e9\u6f22\U0001d54f", min_size=1, max_size=5), st.integers(1, 4), max_size=40
)


def in_order(rows: list[tuple[str, int, str]], order: str) -> list[tuple[str, int, str]]:
    return sorted(rows, key=lambda row: (-row[1] if order == "count" else 0, row[0]))


@given(counts, st.sampled_from(ORDERS), st.integers(1, 7), st.sampled_from([1, 3, 20, 1000]))
def test_sorted_tables_are_merged_in_order(
    counted: dict[str, int], order: str, number: int, part_rows: int
) -> None:
    table = records_of(counted)
    tables = [take(table, np.arange(at, len(counted), number)) for at in range(number)]
    parts = [
        rows_of(sort(part, order))
        for part in split_into_parts([sort(each, order) for each in tables], order, part_rows)
    ]
    assert all(parts)
    assert [row for part in parts for row in part] == in_order(rows_of(table), order)


@pytest.mark.parametrize("order", ORDERS)
def test_large_tables_are_sorted_alike_and_their_parts_are_small(order: str) -> None:
    counted = {f"{n * 7919 % 10_007:x}é": n % 90 + 1 for n in range(9_000)}
    table = records_of(counted)
    tables = [sort(take(table, np.arange(at, 9_000, 3)), order) for at in range(3)]
    parts = list(split_into_parts(tables, order, 2_000))
    assert max(part.num_rows for part in parts) < 4_000
    found = [row for part in parts for row in rows_of(sort(part, order))]
    assert found == in_order(rows_of(table), order)


def test_no_tables_have_no_parts() -> None:
    assert list(split_into_parts([], "word", 10)) == []
    assert list(split_into_parts([records_of({})], "word", 10)) == []


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_function_is_mapped_in_order_and_not_far_ahead(threads: int) -> None:
    begun = 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        nonlocal begun
        for item in range(50):
            with lock:
                begun += 1
            yield item

    done = 0
    for result in map_in_order(lambda item: item * item, items(), threads):
        assert result == done * done
        done += 1
        assert begun <= done + 2 * threads + 1
    assert done == 50


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_function_is_raised(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda item: 1 // item, [1, 0, 1], threads))
