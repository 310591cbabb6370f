"""A set of words is the same, whether its words are strings or a column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.dictionary import Dictionary, DictionarySpec, accept, group
from transforms.text.signature import signature
from transforms.word_set import WordSet

batches = st.lists(st.lists(st.text("abé\U0001d54f", min_size=1, max_size=3), max_size=5))


@given(batches, st.sampled_from([0, 1, 3, 1000]), st.integers(1, 3))
def test_words_are_there_once(words: list[list[str]], max_strings: int, sets: int) -> None:
    made = [WordSet(max_strings=max_strings) for _ in range(sets)]
    for number, batch in enumerate(words):
        made[number % sets].update(batch)
    whole = made[0]
    for other in made[1:]:
        len(other)
        whole.update(other)
    expected = {word for batch in words for word in batch}
    assert set(whole) == expected
    assert len(list(whole)) == len(whole) == len(expected)
    assert whole.column().to_pylist() == sorted(expected)
    by_length = whole.by_length()
    assert {length: set(found) for length, found in by_length.items()} == {
        length: {word for word in expected if len(word) == length}
        for length in set(map(len, expected))
    }
    assert all((word in whole) == (word in expected) for word in ("a", "b", "ab"))
    whole.update(["a", "zz"])
    assert set(whole) == expected | {"a", "zz"}


@given(st.sets(st.text("abc", min_size=1, max_size=4), min_size=1))
def test_a_large_dictionary_is_like_a_small_one(words: set[str]) -> None:
    large = Dictionary(DictionarySpec("list"), WordSet(words, max_strings=0))
    small = Dictionary(DictionarySpec("list"), words)
    assert large.words.is_large and not small.words.is_large
    assert large.size == small.size
    assert large.sha256() == small.sha256()
    for word in sorted(words):
        assert large.members(signature(word)) == small.members(signature(word))
    assert large.classes == small.classes == group(words)


def test_many_entries_are_accepted_as_a_column() -> None:
    entries = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{'a' * (n // 676)}" for n in range(9000)]
    usable, source = accept([*entries, "1", *entries], max_strings=2000)
    assert usable.is_large
    assert set(usable) == set(entries)
    assert (source.entries, source.rejected) == (18_001, 1)


@pytest.mark.parametrize("words", [[], ["b", "a"]])
def test_few_words_are_a_column_on_request(words: list[str]) -> None:
    assert WordSet(words).column().to_pylist() == sorted(words)
    assert not WordSet(words).is_large
