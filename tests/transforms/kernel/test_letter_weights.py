"""Words with the length and the sums of an anagram class have its letters."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernel.classes import ClassTable
from transforms.kernel.letter_weights import (
    NOT_IN_DICTIONARY,
    LetterWeights,
    is_independent,
    is_plain_letter,
    keeps_place,
)
from transforms.text.normalize import words
from transforms.text.signature import signature
from transforms.word_set import WordSet


def weights_of(members: Iterable[str]) -> tuple[LetterWeights, dict[tuple[int, int, int], str]]:
    """Returns the weights of a dictionary's letters, and its classes by sums and length."""
    table = table_of(members)
    weights = table.letter_weights()
    sums = map(tuple, table.sums(weights).tolist())
    by_sums = dict(zip(sums, table.signatures.to_pylist(), strict=True))
    assert len(by_sums) == len(table)
    return weights, by_sums


def table_of(members: Iterable[str]) -> ClassTable:
    return ClassTable(WordSet(members).column())


@pytest.mark.parametrize(
    "members", [["aab", "ccc"], ["aaaa", "b", "ccd"], ["abcd"], ["a", "bb", "dddddd"]]
)
def test_of_all_words_only_those_of_a_class_have_its_sums(members: list[str]) -> None:
    weights, by_sums = weights_of(members)
    alphabet = sorted(set().union(*members))
    for length in range(1, weights.max_length + 1):
        for letters in itertools.combinations_with_replacement(alphabet, length):
            word = "".join(letters)
            assert by_sums.get(weights.sums_of(word), word) == word


#: Alphabets whose weights fit into one sum, need both, and do not fit into both.
ALPHABETS = [[chr(0x430 + index) for index in range(size)] for size in (3, 26, 33, 60, 150)]


@given(st.sampled_from(ALPHABETS), st.data())
def test_a_near_miss_has_other_sums(alphabet: list[str], data: st.DataObject) -> None:
    """A near miss has more of a letter than its digit can hold, in the place of another letter."""
    some = st.lists(st.sampled_from(alphabet), min_size=1, max_size=12).map("".join)
    members = data.draw(st.lists(some, min_size=1, max_size=8))
    weights, by_sums = weights_of([*members, "".join(alphabet)])
    word = data.draw(st.sampled_from(members))
    letter, other = data.draw(st.permutations(alphabet))[:2]
    for times in range(weights.max_length):
        near = signature(word.replace(other, letter * times) + letter * times)
        if len(near) <= weights.max_length:
            assert by_sums.get(weights.sums_of(near), near) == near


@pytest.mark.parametrize("alphabet", ALPHABETS[:3])
def test_no_word_that_is_looked_up_can_overflow(alphabet: list[str]) -> None:
    weights, _ = weights_of(["".join(alphabet) * 3])
    for letter in alphabet:
        assert max(weights.sums_of(letter)[:2]) * weights.max_length < 1 << 64


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_each_letter_has_weights_of_its_own_in_64_bits(alphabet: list[str]) -> None:
    weights, _ = weights_of(["".join(alphabet) * 3, "".join(alphabet)])
    sums = [weights.sums_of(letter) for letter in alphabet]
    assert len(set(sums)) == len(alphabet)
    assert all(0 <= low < 1 << 64 and 0 <= high < 1 << 64 for low, high, _ in sums)


def test_weights_are_positional_while_there_is_room_for_them() -> None:
    """As for English, so that no two classes share their sums, instead of hardly any."""
    weights, _ = weights_of(["abba", "cab"])
    assert [weights.sums_of(letter)[:2] for letter in "abc"] == [(1, 0), (3, 0), (9, 0)]
    assert weights.sums_of("abcx") == (0, 0, 4 + NOT_IN_DICTIONARY)


def test_weights_that_are_not_positional_are_drawn_anew_for_each_table() -> None:
    """Nobody can look for a word whose weights add up to those of a class."""
    many, one = table_of(["".join(ALPHABETS[-1])]), table_of(["abc"])
    first, second = (many.letter_weights() for _ in range(2))
    few = one.letter_weights(), one.letter_weights()
    for letter in ALPHABETS[-1]:
        assert first.sums_of(letter) != second.sums_of(letter)
    assert len({weights.sums_of("abc") for weights in few}) == 1
    drawn = [one.letter_weights(positional=False).sums_of("abc") for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_the_sums_of_classes_are_those_of_their_letters() -> None:
    table = table_of(["cat", "dog", "éa", "\u6f22\U0001d54f"])
    for positional in (True, False):
        weights = table.letter_weights(positional=positional)
        expected = [weights.sums_of(word) for word in table.signatures.to_pylist()]
        assert list(map(tuple, table.sums(weights).tolist())) == expected


def test_a_plain_letter_becomes_itself_whatever_precedes_it() -> None:
    plain = [char for char in map(chr, range(0x10000)) if is_plain_letter(char)]
    assert len(plain) > 40_000
    for char in plain[::7]:
        assert is_independent(char)
        assert words(f"a{char}") == [f"a{char}"]
        assert keeps_place(char)
    assert not any(map(is_plain_letter, "aéА9\u0301\u1161\u0e33\ufb2a-漢"[:-1]))
