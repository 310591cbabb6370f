"""The classes of a dictionary as columns are those of plain Python."""

import numpy as np
import pyarrow
from hypothesis import given
from hypothesis import strategies as st

from transforms.dictionary import DictionarySpec, group
from transforms.kernel.classes import ClassTable, class_table
from transforms.word_set import WordSet

words = st.sets(
    st.text("ab\u00e9\u6f22\U0001d54f", min_size=1, max_size=4)
    | st.text("ab\U0001d54f", min_size=40, max_size=80),
    min_size=1,
)


@given(words, st.lists(st.text("ab\u00e9\u6f22", max_size=4)))
def test_classes_have_their_words_and_are_found(members: set[str], asked: list[str]) -> None:
    table, expected = ClassTable(WordSet(members).column()), group(members)
    signatures = table.signatures.to_pylist()
    assert len(table) == len(expected)
    assert set(signatures) == set(expected)
    assert table.sizes.tolist() == [len(expected[key]) for key in signatures]
    keys = ["".join(sorted(word)) for word in (*asked, *members)]
    found = table.find(pyarrow.array(keys, pyarrow.large_string()))
    assert [None if n < 0 else signatures[n] for n in found] == [
        key if key in expected else None for key in keys
    ]
    classes = found[found >= 0]
    of_word, of_classes = table.members(classes)
    assert list(zip(of_word.tolist(), of_classes.to_pylist(), strict=True)) == [
        (at, word) for at, number in enumerate(classes) for word in expected[signatures[number]]
    ]


def test_no_classes_have_no_words() -> None:
    table = ClassTable(WordSet(["a"]).column())
    of_word, found = table.members(np.array([], np.int64))
    assert (of_word.tolist(), found.to_pylist()) == ([], [])


def test_the_table_of_a_dictionary_is_made_once() -> None:
    table = class_table(DictionarySpec())
    assert len(table) == 97_527
    assert class_table(DictionarySpec()) is table
