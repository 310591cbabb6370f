"""Text becomes the words of the contract, however it is encoded or cut."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.strategies import ALL_CHARS, DASHES, SPACES, TRICKY, ascii_texts, texts
from transforms.text.normalize import (
    NORMALIZATIONS,
    is_separator,
    is_word_part,
    split_unfinished_word,
    words,
)

normalizations = st.sampled_from(NORMALIZATIONS)


@given(texts(), normalizations)
@example("".join(TRICKY), "unicode")
@example("".join(TRICKY), "ascii")
def test_words_are_those_of_the_reference(text: str, normalization: str) -> None:
    assert words(text, normalization) == reference.words(text, normalization)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_character_is_treated_as_the_reference_does(normalization: str) -> None:
    assigned = [char for char in ALL_CHARS if unicodedata.category(char) not in ("Cn", "Co")]
    # In the middle of a word, so that one taken for a separator shows.
    text = "\n".join(f"a{char}b" for char in assigned)
    assert words(text, normalization) == reference.words(text, normalization)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Cat", ["cat"]),
        ("don't don’t foo_bar e.g. 3,141", ["dont", "dont", "foobar", "eg", "3141"]),
        ("well-known — x–y", ["well", "known", "x", "y"]),
        ("a\x1cb\x1dc\x1ed\x1fe\x85f\xa0g\u3000h", list("abcdefgh")),
        ("\ufeffcat", ["cat"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ﬁne İstanbul \u212aelvin", ["fine", "i\u0307stanbul", "kelvin"]),
        ("ΟΔΟΣ οδος", ["οδοσ", "οδοσ"]),
        ("Ǆ ǅ ｃａｔ ５", ["dž", "dž", "cat", "5"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("\u1112\u1161\u11ab 한", ["한", "한"]),
        ("a\u00b4b", ["ab"]),
        ("a\u037ab", ["aιb"]),
        ("a=\u0338b a\u2260b", ["ab", "ab"]),
        ("٣٤ ९", ["٣٤", "९"]),
        ("x² ½ Ⅷ ①", ["x"]),
        ("... ' -- _", []),
    ],
)
def test_unicode_words(text: str, expected: list[str]) -> None:
    assert words(text) == words(text, "unicode") == expected
    assert reference.words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cat don't foo_bar", ["cat", "dont", "foobar"]),
        ("well-known x–y", ["well", "known", "xy"]),
        ("a\x1cb\x85c\xa0d\u3000e", list("abcde")),
        ("café CAFE\u0301 Straße \u212aelvin", ["caf", "cafe", "strae", "elvin"]),
        ("ｃａｔ ٣ é", []),
    ],
)
def test_ascii_words(text: str, expected: list[str]) -> None:
    assert words(text, "ascii") == reference.words(text, "ascii") == expected


@given(ascii_texts())
@example("".join(map(chr, range(128))))
def test_both_normalizations_agree_on_ascii_text(text: str) -> None:
    assert words(text, "unicode") == words(text, "ascii")


@given(texts())
def test_composed_and_decomposed_spellings_give_equal_words(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert words(composed) == words(decomposed) == words(text)


@given(texts(), normalizations)
def test_words_are_fixed_points(text: str, normalization: str) -> None:
    found = words(text, normalization)
    assert words("\n".join(found), normalization) == found


@pytest.mark.parametrize("char", [*SPACES, *DASHES])
def test_spaces_and_dashes_separate(char: str) -> None:
    assert words(f"tic{char}tac") == ["tic", "tac"]
    apart = char.isspace() or char == "-"
    assert words(f"tic{char}tac", "ascii") == (["tic", "tac"] if apart else ["tictac"])
    assert is_separator(char, "unicode")
    assert is_separator(char, "ascii") == apart
    assert not is_word_part(char)


@pytest.mark.parametrize("normalization", ["", "nfc", "Unicode", "ASCII"])
def test_unknown_normalization_is_refused_by_name(normalization: str) -> None:
    with pytest.raises(ValueError, match=rf"normalization='{normalization}'.*unicode.*ascii"):
        words("cat", normalization)


@given(texts(), texts(), normalizations)
@example("e=", "\u0301x", "unicode")
@example("e=\u0323", "\u0338x", "unicode")
@example("\u1100=", "\u1161\u11a8", "unicode")
@example("\u0bc6", "\u0bbe", "unicode")
@example("a\u2013b", "c", "ascii")
def test_an_unfinished_word_goes_on_as_the_whole_text_does(
    text: str, more: str, normalization: str
) -> None:
    complete, unfinished = split_unfinished_word(text, normalization)
    whole = words(text + more, normalization)
    assert words(complete, normalization) + words(unfinished + more, normalization) == whole


@given(st.lists(texts(6), max_size=8), normalizations)
def test_text_split_piece_by_piece_keeps_its_words(pieces: list[str], normalization: str) -> None:
    found, unfinished = [], ""
    for piece in pieces:
        complete, unfinished = split_unfinished_word(unfinished + piece, normalization)
        found += words(complete, normalization)
    assert found + words(unfinished, normalization) == words("".join(pieces), normalization)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("char", ["=", "'", "\u00b4", "\u200d", "😀"])
def test_an_unfinished_word_is_without_what_is_deleted_anyway(
    char: str, normalization: str
) -> None:
    complete, unfinished = split_unfinished_word(
        char * 10_000 + "cat" + char * 10_000, normalization
    )
    assert words(complete, normalization) == []
    assert words(unfinished + "s", normalization) == ["cats"]
    assert len(unfinished) < 10
