"""Tables of counts are split into buckets, by the letters of their keys alone."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.strategies import texts
from tests.support.tables import counts_of, rows_of
from transforms.columns.tables import (
    COUNTS,
    counts_table,
    from_bytes,
    letters_and_ends,
    split_into_buckets,
    strings_of,
    take,
    to_bytes,
)

tables = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, (1 << 63) - 1))


@given(tables)
def test_a_table_is_the_same_after_a_journey_as_bytes(counts: dict[str, int]) -> None:
    table = counts_table(counts, counts.values())
    assert from_bytes(to_bytes(table)).equals(table)
    for at in range(len(counts)):
        assert from_bytes(to_bytes(table.slice(at, 1))).equals(table.slice(at, 1))


@given(st.lists(texts(), max_size=4), st.integers(1, 9))
def test_every_row_is_in_one_bucket_and_anagrams_are_in_the_same(
    pieces: list[str], buckets: int
) -> None:
    words = {word for piece in pieces for word in reference.words(piece)}
    counts = {word: number for number, word in enumerate([*words, *map(sorted_letters, words)])}
    split = list(split_into_buckets(counts_table(counts, counts.values()), buckets))
    assert counts_of(split) == counts
    assert all(0 <= bucket < buckets for bucket, _ in split)
    buckets_of = defaultdict(set)
    for bucket, columns in split:
        for word, _ in rows_of(from_bytes(columns)):
            buckets_of[sorted_letters(word)].add(bucket)
    assert all(len(found) == 1 for found in buckets_of.values())


def sorted_letters(word: str) -> str:
    return "".join(sorted(word))


def test_many_keys_are_spread_over_all_buckets() -> None:
    counts = {f"{number:x}": number for number in range(5000)}
    split = list(split_into_buckets(counts_table(counts, counts.values()), 16))
    assert counts_of(split) == counts
    assert len(split) == 16


def test_an_empty_table_has_no_buckets() -> None:
    assert list(split_into_buckets(COUNTS.empty_table(), 4)) == []


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
