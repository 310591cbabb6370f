"""Words are sorted as Python sorts them, by code points, and equal ones keep their order."""

import pyarrow
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import at_most
from transforms.kernel.word_order import order_of_words

# Few letters, so that words share long beginnings; a NUL is not the end of a word.
_words = st.text(st.sampled_from("ab\0é漢😀"), max_size=20)


@settings(max_examples=at_most(100))
@given(st.lists(_words, max_size=60), st.sampled_from(["", "a", "longer than eight bytes"]))
@example([f"{n % 97:x}" for n in range(3000)], "the same beginning of all words")
@example(["a" + "\0" * (n * 7 % 31) for n in range(3000)], "")
def test_words_are_sorted_by_code_points(words: list[str], beginning: str) -> None:
    words = [beginning + word for word in words]
    order = order_of_words(pyarrow.array(words, pyarrow.large_string())).tolist()
    assert order == sorted(range(len(words)), key=words.__getitem__)


def test_a_part_of_an_array_is_sorted() -> None:
    words = pyarrow.array(["z", "c", "a", "b", "y"], pyarrow.large_string()).slice(1, 3)
    assert order_of_words(words).tolist() == [1, 2, 0]
