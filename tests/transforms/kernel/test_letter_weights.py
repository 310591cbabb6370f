"""Words of one length and with equal numbers have equal letters."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernel.letter_weights import FOREIGN, Numbering
from transforms.text.signature import signature


def numbering_of(members: Iterable[str]) -> tuple[Numbering, dict[tuple[int, int, int], str]]:
    """The numbers of a dictionary's letters, and its classes by number."""
    classes = {signature(word): (word,) for word in members}
    numbering = Numbering(classes)
    numbers = map(tuple, numbering.of_all(list(classes)).tolist())
    by_number = dict(zip(numbers, classes, strict=True))
    assert len(by_number) == len(classes)
    return numbering, by_number


@pytest.mark.parametrize(
    "members", [["aab", "ccc"], ["aaaa", "b", "ccd"], ["abcd"], ["a", "bb", "dddddd"]]
)
def test_of_all_words_only_those_of_a_class_have_its_number(members: list[str]) -> None:
    numbering, by_number = numbering_of(members)
    alphabet = sorted(set().union(*members))
    for length in range(1, numbering.longest + 1):
        for letters in itertools.combinations_with_replacement(alphabet, length):
            word = "".join(letters)
            assert by_number.get(numbering.of(word), word) == word


#: So many letters that their digits need both numbers, and more than both can hold.
ALPHABETS = [[chr(0x430 + index) for index in range(size)] for size in (3, 26, 33, 60, 150)]


@given(st.sampled_from(ALPHABETS), st.data())
def test_a_near_miss_has_another_number(alphabet: list[str], data: st.DataObject) -> None:
    """More of a letter than its digit can hold, for one of the next."""
    some = st.lists(st.sampled_from(alphabet), min_size=1, max_size=12).map("".join)
    members = data.draw(st.lists(some, min_size=1, max_size=8))
    numbering, by_number = numbering_of([*members, "".join(alphabet)])
    word = data.draw(st.sampled_from(members))
    letter, other = data.draw(st.permutations(alphabet))[:2]
    for times in range(numbering.longest):
        near = signature(word.replace(other, letter * times) + letter * times)
        if len(near) <= numbering.longest:
            assert by_number.get(numbering.of(near), near) == near


@pytest.mark.parametrize("alphabet", ALPHABETS[:3])
def test_no_word_that_is_looked_up_can_overflow(alphabet: list[str]) -> None:
    numbering, _ = numbering_of(["".join(alphabet) * 3])
    for letter in alphabet:
        assert max(numbering.of(letter)[:2]) * numbering.longest < 1 << 64


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_each_letter_has_a_number_of_its_own_in_64_bits(alphabet: list[str]) -> None:
    numbering, _ = numbering_of(["".join(alphabet) * 3, "".join(alphabet)])
    numbers = [numbering.of(letter) for letter in alphabet]
    assert len(set(numbers)) == len(alphabet)
    assert all(0 <= low < 1 << 64 and 0 <= high < 1 << 64 for low, high, _ in numbers)


def test_numbers_are_the_letters_themselves_where_there_is_room_for_them() -> None:
    """As in English: then no two words share one, instead of hardly any."""
    numbering, _ = numbering_of(["abba", "cab"])
    assert [numbering.of(letter)[:2] for letter in "abc"] == [(1, 0), (3, 0), (9, 0)]
    assert numbering.of("abcx") == (0, 0, 4 + FOREIGN)


def test_columns_are_what_single_words_have() -> None:
    members = ["cat", "dog", "éa"]
    numbering, _ = numbering_of(members)
    found = numbering.of_all(members)
    assert found.dtype == np.uint64
    assert [tuple(row) for row in found.tolist()] == [numbering.of(word) for word in members]
