"""ExtractWords, KeyBySignature and KeyWithWord, each alone."""

from collections.abc import Callable

import pytest

from tests.support import reference
from tests.support.beam import assert_gives
from tests.support.strategies import TRICKY
from transforms.counts import ClassTally
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS, PUNCTUATION_RULES
from transforms.text.settings import TextSettings
from transforms.words import ExtractWords, KeyBySignature, KeyWithWord


def test_blocks_are_decoded_each_in_its_encoding_without_invalid_bytes() -> None:
    blocks = [
        Block("a", 0, "café".encode()),
        Block("b", 7, "cat".encode("utf-16-le"), "utf-16-le"),
        Block("c", 0, b"caf\xe9", "latin-1"),
        Block("d", 0, b"c\xffat"),
        Block("e", 0, b"", invalid_bytes=3),
    ]
    assert_gives(blocks, ExtractWords(), ["café", "cat", "café", "cat"])


@pytest.mark.parametrize("punctuation", PUNCTUATION_RULES)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_words_of_every_text_are_extracted(normalization: str, punctuation: str) -> None:
    texts = ["The cat's whiskers,fur", "", "\n", "sea-cat cat", *TRICKY, " ".join(TRICKY)]
    expected = [
        word for text in texts for word in reference.words(text, normalization, punctuation)
    ]
    extract = ExtractWords(TextSettings(normalization, punctuation=punctuation))
    assert_gives(map(Block.of_text, texts), extract, expected)


def test_shorter_words_are_left_out() -> None:
    text = "a an cat e\u0301te\u0301 ﬁn x-ray"
    assert_gives([Block.of_text(text)], ExtractWords(min_length=3), ["cat", "été", "fin", "ray"])


def test_each_occurrence_is_keyed_by_its_signature() -> None:
    words = ["cat", "act", "cat", "éa"]
    assert_gives(words, KeyBySignature(), [("act", 1)] * 3 + [("aé", 1)])


def test_words_are_keyed_with_themselves_but_for_giants() -> None:
    longest = "b" * MAX_WORD_LENGTH
    expected = [("act", ClassTally(1, ("cat",))), (longest, ClassTally(1, (longest,)))]
    assert_gives(["cat", longest, longest + "a"], KeyWithWord(), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextSettings("nfc"), r"normalization='nfc'.*unicode.*ascii"),
        (lambda: ExtractWords(min_length=0), r"min_length=0.*1 or more"),
        (lambda: ExtractWords(min_length=-3), r"min_length=-3.*1 or more"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make()
