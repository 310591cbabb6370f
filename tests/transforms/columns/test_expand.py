"""Buckets of counts become the records that the elementwise engine makes of the same counts."""

from collections import Counter
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.beam import pipeline
from tests.support.examples import at_most
from tests.support.strategies import texts
from tests.support.tables import rows_of
from transforms.columns.convert import PackCounts, UnpackRecords
from transforms.columns.expand import ExpandColumns, classes_of_words
from transforms.columns.tables import counts_table
from transforms.dictionary import DictionarySpec
from transforms.expand import AnagramCount
from transforms.kernel.grouping import group_words

COUNTS = {"act": 3, "dgo": 1, "xyz": 5, "eilnst": 2}
MEMBERS = ("act", "cat", "dog", "god", "silent", "a")


@pytest.mark.parametrize("small_bucket", [0, 1 << 11])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"act": 3, "cat": 3, "dog": 1, "god": 1, "silent": 2}),
        ({"min_count": 2}, {"act": 3, "cat": 3, "silent": 2}),
        ({"min_class_size": 2}, {"act": 3, "cat": 3, "dog": 1, "god": 1}),
        ({"min_count": 2, "min_class_size": 2}, {"act": 3, "cat": 3}),
        ({"min_count": 9}, {}),
    ],
)
def test_members_of_classes_get_their_counts(
    filters: dict[str, Any], expected: dict[str, int], small_bucket: int
) -> None:
    records = [AnagramCount(word, n, "".join(sorted(word))) for word, n in expected.items()]
    with pipeline() as p:
        dictionary = DictionarySpec.of(MEMBERS)
        expand = ExpandColumns(dictionary, small_bucket=small_bucket, **filters)
        found = p | beam.Create(COUNTS.items()) | PackCounts() | expand | UnpackRecords()
        assert_that(found, equal_to(records))


@pytest.mark.parametrize("small_bucket", [0, 1 << 11])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("filters", [{}, {"min_count": 4, "min_class_size": 2}])
def test_in_corpus_mode_words_get_the_counts_of_their_classes(
    small_bucket: int, filters: dict[str, Any], threads: int
) -> None:
    words = {"cat": 2, "act": 3, "dog": 1, "été": 9, "téé": 0}
    expected = {"cat": 5, "act": 5, "dog": 1, "été": 9, "téé": 9}
    if filters:
        del expected["dog"]
    records = [AnagramCount(word, n, "".join(sorted(word))) for word, n in expected.items()]
    with pipeline() as p:
        expand = ExpandColumns(
            DictionarySpec("none"), small_bucket=small_bucket, threads=threads, **filters
        )
        found = p | beam.Create(words.items()) | PackCounts(4) | expand | UnpackRecords()
        assert_that(found, equal_to(records))


long_words = st.text("ab\u00e9\u6f22\U0001d54f", min_size=40, max_size=90)


@settings(max_examples=at_most(60))
@given(st.dictionaries(texts(6).filter(bool) | long_words, st.integers(0, 1 << 40), min_size=1))
def test_words_are_grouped_as_without_the_compiler(counts: dict[str, int]) -> None:
    counts = {word.encode("utf-8", "ignore").decode() or "x": n for word, n in counts.items()}
    table = counts_table(counts, counts.values())
    expected = classes_of_words(table)
    records, sizes, found = group_words(table)
    assert records.equals(expected.records)
    assert sizes.tolist() == expected.sizes.tolist()
    assert found == expected.found
    # And the expected ones, in the simplest words.
    of_class: Counter[str] = Counter()
    for word, number in counts.items():
        of_class["".join(sorted(word))] += number
    assert rows_of(records) == [
        (word, of_class[key := "".join(sorted(word))], key) for word in counts
    ]
    members = Counter("".join(sorted(word)) for word in counts)
    assert sizes.tolist() == [members["".join(sorted(word))] for word in counts]
