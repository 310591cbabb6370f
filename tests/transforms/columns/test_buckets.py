"""Tables of counts are split into buckets, by the letters of their keys alone."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.strategies import texts
from tests.support.tables import counts_of, rows_of
from transforms.columns.buckets import split_into_buckets
from transforms.columns.packing import from_bytes
from transforms.columns.tables import COUNTS, counts_table


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
