from typing import Any

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernel.pairs import PAIR_SIZE, add_row, put_row, zero_pair

NUMBERS = st.integers(0, 2**64 - 1)


@numba.njit
def add_up(rows: Any, picked: Any, totals: Any) -> None:
    """Adds up the picked rows; stores each total so far in the row after the one before."""
    total: Any = zero_pair()
    offset = np.uint64(0)
    for row in picked:
        total = add_row(total, rows, np.uint64(row) * PAIR_SIZE)
        put_row(total, totals, offset)
        offset += PAIR_SIZE


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1), st.data())
def test_pairs_are_added_and_stored_as_their_numbers_are(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    rows = np.array(pairs, np.uint64)
    picked = np.array(data.draw(st.lists(st.integers(0, len(pairs) - 1))), np.int64)
    totals = np.full((len(picked) + 1, 2), 7, np.uint64)
    add_up(rows, picked, totals)
    assert np.array_equal(totals[:-1], np.cumsum(rows[picked], axis=0, dtype=np.uint64))
    assert totals[-1].tolist() == [7, 7]  # nothing is stored beyond
