"""The oracle's two ways of counting agree, and both give what a person counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.strategies import texts


def test_every_occurrence_adds_one_to_every_member(gcide: frozenset[str]) -> None:
    for count in (reference.counts, reference.counts_by_permutation):
        assert count("cat", gcide) == {"act": 1, "cat": 1, "tac": 1}
        assert count("cat Act, tca!", gcide) == {"act": 3, "cat": 3, "tac": 3}


def test_a_word_is_not_echoed_unless_the_dictionary_has_it(gcide: frozenset[str]) -> None:
    assert reference.counts("software Software SOFTWARE", gcide) == {"forwaste": 3}


@pytest.mark.parametrize("text", ["", " \n", "...", "zzzz qqqq"])
def test_text_without_a_known_class_gives_nothing(text: str, gcide: frozenset[str]) -> None:
    assert reference.counts(text, gcide) == reference.counts_by_permutation(text, gcide) == {}


def test_repeated_letters_count_a_word_once_not_once_a_permutation() -> None:
    assert reference.counts_by_permutation("noon noon", {"noon", "onno"}) == {"noon": 2, "onno": 2}


@given(st.one_of(st.text("abcn -'", max_size=25), texts(12)), st.sets(st.text("abcn", min_size=1)))
def test_sorting_letters_and_trying_permutations_agree(text: str, members: set[str]) -> None:
    short = " ".join(word for word in reference.words(text) if len(word) <= 6)
    assert reference.counts(short, members) == reference.counts_by_permutation(short, members)


def test_filters_act_on_words_classes_and_counts() -> None:
    members = {"cat", "act", "dog", "on", "no"}
    text = "cat act tac dog god on"
    assert reference.counts(text, members, min_word_length=3) == {"act": 3, "cat": 3, "dog": 2}
    in_pairs = {"act": 3, "cat": 3, "no": 1, "on": 1}
    assert reference.counts(text, members, min_class_size=2) == in_pairs
    assert reference.counts(text, members, min_count=2) == {"act": 3, "cat": 3, "dog": 2}
    assert reference.counts(text, members, top=3) == {"act": 3, "cat": 3, "dog": 2}
    assert reference.counts(text, members, top=4) == {"act": 3, "cat": 3, "dog": 2, "no": 1}


def test_without_a_dictionary_the_members_are_the_words_seen() -> None:
    assert reference.counts("cat act dog Dog", None) == {"act": 2, "cat": 2, "dog": 2}
