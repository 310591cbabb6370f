"""Words share a signature exactly when they are anagrams."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from transforms.text.signature import signature


def test_signature_is_the_code_points_in_order() -> None:
    assert signature("cat") == signature("tac") == "act"
    assert signature("") == ""
    assert signature("zaéa𝒳") == "aazé𝒳"


@given(st.text(), st.randoms(use_true_random=False))
def test_every_arrangement_of_a_word_has_its_signature(word: str, random: Random) -> None:
    letters = list(word)
    random.shuffle(letters)
    assert signature("".join(letters)) == signature(word)


@given(st.text("abé", max_size=5), st.text("abé", max_size=5))
def test_words_with_different_letters_have_different_signatures(one: str, other: str) -> None:
    assert (signature(one) == signature(other)) == (Counter(one) == Counter(other))
