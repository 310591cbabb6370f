"""Corpus mode: the distinct words of a text with their counts, moved as columns."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import apache_beam as beam
import pyarrow
import pytest
from apache_beam.pvalue import PCollection
from hypothesis import given
from hypothesis import strategies as st
from transforms.distinct_words import CountDistinctWords

from tests.support import reference
from tests.support.beam import assert_gives
from tests.support.strategies import texts
from transforms.columns import CombineWordCounts, CombineWordCountsFn, bucket_words
from transforms.counts import ClassTally
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings


class Collected(beam.PTransform[PCollection[Block], PCollection[tuple[str, ClassTally]]]):
    """CountDistinctWords, and the classes that come of it."""

    def __init__(self, max_unmerged_bytes: int = 1 << 20, **settings: Any):
        super().__init__()
        self._max_unmerged_bytes = max_unmerged_bytes
        self._settings = settings

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, ClassTally]]:
        return (
            blocks
            | (CountDistinctWords(**self._settings))
            | CombineWordCounts(self._max_unmerged_bytes)
        )


@pytest.mark.parametrize("normalization", ["unicode", "ascii"])
def test_distinct_words_are_collected_with_the_counts_of_their_classes(normalization: str) -> None:
    blocks = [Block("a", 0, b"cat act cat\n"), Block("b", 0, "tac é a".encode())]
    expected = [
        ("act", ClassTally(4, ("act", "cat", "tac"))),
        ("a", ClassTally(1, ("a",))),
        *([("é", ClassTally(1, ("é",)))] if normalization == "unicode" else []),
    ]
    text = TextSettings(normalization)
    assert_gives(blocks, Collected(text=text), expected)
    assert_gives(blocks, Collected(text=text, min_word_length=2), expected[:1])


def test_many_distinct_words_are_handed_on_in_parts() -> None:
    blocks = [Block("a", 0, text) for text in (b"a b", b"a c", b"a d", b"a")]
    expected = [
        (word, ClassTally(count, (word,))) for word, count in zip("abcd", [4, 1, 1, 1], strict=True)
    ]
    assert_gives(blocks, Collected(max_unmerged_bytes=100, max_distinct=3), expected)


def test_giants_are_left_out() -> None:
    blocks = [Block("a", 0, b"x" * 70_000 + b" a")]
    assert_gives(blocks, Collected(), [("a", ClassTally(1, ("a",)))])


def test_no_words_make_no_columns() -> None:
    assert list(bucket_words({})) == []
    assert_gives([Block("a", 0, b"!")], Collected(), [])


@given(st.lists(texts(), max_size=4))
def test_merged_columns_have_each_word_once_and_its_anagrams_beside_it(pieces: list[str]) -> None:
    counts = [Counter(reference.words(piece, "unicode")) for piece in pieces]
    fn = CombineWordCountsFn(1 << 20)
    merged: dict[int, list[bytes]] = {}
    for part in counts:
        for bucket, columns in bucket_words(part):
            before = merged.setdefault(bucket, fn.create_accumulator())
            merged[bucket] = fn.add_input(before, columns)
    found: Counter[str] = Counter()
    bucket_of: dict[str, int] = {}
    for bucket, accumulator in merged.items():
        halves = [accumulator[:1], accumulator[1:]]
        assert rows(fn.extract_output(fn.merge_accumulators(halves))) == rows(
            fn.extract_output(accumulator)
        )
        for word, count in rows(fn.extract_output(accumulator)):
            assert word not in found
            found[word] = count
            assert bucket_of.setdefault("".join(sorted(word)), bucket) == bucket
    assert found == sum(counts, Counter())


def rows(columns: bytes) -> list[tuple[str, int]]:
    table = pyarrow.ipc.open_stream(columns).read_all()
    return sorted(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CountDistinctWords(max_distinct=0), r"max_distinct=0.*1 or more"),
        (lambda: CountDistinctWords(min_word_length=0), r"min_word_length=0.*1 or more"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make()
