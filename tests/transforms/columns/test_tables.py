"""Tables of counts and of records."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tables import rows_of
from transforms.columns.tables import counts_table, letters_and_ends, strings_of, take


@pytest.mark.parametrize("small", [0, 100])
def test_rows_are_taken_in_the_given_order(small: int) -> None:
    table = counts_table(["cat", "été", "a"], [3, 2, 1])
    taken = take(table, np.array([2, 0, 2]), small)
    assert taken.schema == table.schema
    assert rows_of(taken) == [("a", 1), ("cat", 3), ("a", 1)]
    assert rows_of(take(table, np.array([], np.int64), small)) == []


@given(st.lists(st.text(max_size=4)), st.data())
def test_strings_are_their_letters_and_ends(strings: list[str], data: st.DataObject) -> None:
    array = counts_table(strings, range(len(strings)))["key"].combine_chunks()
    begin = data.draw(st.integers(0, len(strings)))
    letters, ends = letters_and_ends(array.slice(begin))
    found = [letters[a:b].tobytes().decode() for a, b in itertools.pairwise(ends)]
    assert found == strings[begin:]
    assert strings_of(letters, ends).to_pylist() == strings[begin:]
