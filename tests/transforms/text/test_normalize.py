"""Text becomes the words of the contract, however it is encoded or cut."""

import itertools
import unicodedata
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.strategies import (
    ALL_CHARS,
    DASHES,
    SPACES,
    TRICKY,
    ascii_texts,
    marked_texts,
    texts,
)
from transforms.dictionary import accepted_words
from transforms.text.normalize import (
    NORMALIZATIONS,
    PUNCTUATION_RULES,
    is_separator,
    is_word_part,
    split_unfinished_word,
    stream_safe,
    truncate_unfinished_word,
    words,
)

ASSIGNED = [char for char in ALL_CHARS if unicodedata.category(char) not in ("Cn", "Co")]
#: All but letters that are as they are, such as most of Chinese.
NOT_PLAIN = [
    char
    for char in ASSIGNED
    if unicodedata.category(char) != "Lo" or unicodedata.decomposition(char)
]
RULES = list(itertools.product(NORMALIZATIONS, PUNCTUATION_RULES))
rules = st.sampled_from(RULES)
any_texts = st.one_of(texts(), marked_texts())


@given(any_texts, rules)
@example("".join(TRICKY), ("unicode", "delete"))
@example("".join(TRICKY), ("ascii", "split"))
def test_words_are_those_of_the_reference(text: str, rule: tuple[str, str]) -> None:
    assert words(text, *rule) == reference.words(text, *rule)


@pytest.mark.parametrize("rule", RULES)
def test_every_character_is_treated_as_the_reference_does(rule: tuple[str, str]) -> None:
    # In the middle of a word, so that one taken for a separator shows, and alone.
    chars = NOT_PLAIN if rule[1] == "split" else ASSIGNED
    text = "\n".join([*(f"a{char}b" for char in chars), *NOT_PLAIN])
    assert words(text, *rule) == reference.words(text, *rule)


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
        ("I ❤\ufe0f cats, love❤\ufe0f Sun\u2600\ufe0f", ["i", "cats", "love", "sun"]),
        ("\ufe0f \u0301 \u0301\u20dd \u180b\u05b0 \uff9e \ufe70 \u0345", []),
        ("\u0301cat 1\ufe0f\u20e3", ["\u0301cat", "1\u20e3"]),
        ("c\u034fa\U000e0100t \u1820\u180b ក\u17b4", ["cat", "\u1820", "ក"]),
    ],
)
def test_unicode_words(text: str, expected: list[str]) -> None:
    assert words(text) == words(text, "unicode", "delete") == expected
    assert reference.words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen,silent", ["listen", "silent"]),
        ("don't don’t ‘tis rock'n'roll", ["dont", "dont", "tis", "rocknroll"]),
        ("<p>cat</p>", ["p", "cat", "p"]),
        ('{"word": "cat", "n": 3.5}', ["word", "cat", "n", "3", "5"]),
        ("a=b+c$d^e`f|g~h_i@j#k%l&m*n", list("abcdefghijklmn")),
        ("a\u00adb c\u200bd e\x00f g\x7fh", ["ab", "cd", "ef", "gh"]),
        ("cat。dog「act」tac", ["cat", "dog", "act", "tac"]),
        ("well-known x–y ... '", ["well", "known", "x", "y"]),
        ("I❤\ufe0fcats 1\ufe0f\u20e3 #\ufe0f\u20e3cat", ["i", "cats", "1\u20e3", "cat"]),
        ("a\u2260b a=\u0338b a=\u0338\u0323\u0338b", ["a", "b"] * 3),
        ("caf\u00e9,cafe\u0301", ["café", "café"]),
    ],
)
def test_punctuation_and_symbols_can_separate_words(text: str, expected: list[str]) -> None:
    assert words(text, "unicode", "split") == expected
    assert reference.words(text, "unicode", "split") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>don't</p> a_b", ["p", "dont", "p", "a", "b"]),
        ("cat。dog x–y don’t ❤", ["cat", "dog", "x", "y", "dont"]),
        ("café,bar a\u00adb \u00e9x", ["caf", "bar", "ab", "x"]),
    ],
)
def test_punctuation_can_separate_ascii_words(text: str, expected: list[str]) -> None:
    assert words(text, "ascii", "split") == reference.words(text, "ascii", "split") == expected


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
    for rule in PUNCTUATION_RULES:
        assert words(text, "unicode", rule) == words(text, "ascii", rule)


@given(texts(), st.sampled_from(PUNCTUATION_RULES))
def test_composed_and_decomposed_spellings_give_equal_words(text: str, rule: str) -> None:
    composed, decomposed = (
        words(unicodedata.normalize(form, text), punctuation=rule) for form in ("NFC", "NFD")
    )
    assert composed == decomposed == words(text, punctuation=rule)


def test_composing_every_character_with_what_is_around_it_changes_no_words() -> None:
    text = "\n".join(f"a{char}b {char}\u0338 \u1100{char}" for char in NOT_PLAIN)
    for rule in PUNCTUATION_RULES:
        composed, decomposed = (
            words(unicodedata.normalize(form, text), punctuation=rule) for form in ("NFC", "NFD")
        )
        assert composed == decomposed


@given(any_texts, rules)
@example("\u0130" + "\ufe70" * 29, ("unicode", "delete"))
@example("a" + "\u0345" * 31 + "\u0301", ("unicode", "delete"))
def test_words_are_fixed_points(text: str, rule: tuple[str, str]) -> None:
    found = words(text, *rule)
    assert words("\n".join(found), *rule) == found


@pytest.mark.parametrize("rule", RULES)
def test_every_word_has_a_letter_or_digit(rule: tuple[str, str]) -> None:
    for word in words(" ".join(f"{char} a{char} {char}a" for char in NOT_PLAIN), *rule):
        assert any(unicodedata.category(char)[0] in "LN" for char in word)


@pytest.mark.parametrize("char", [*SPACES, *DASHES])
def test_spaces_and_dashes_separate(char: str) -> None:
    assert words(f"tic{char}tac") == ["tic", "tac"]
    apart = char.isspace() or char == "-"
    assert words(f"tic{char}tac", "ascii") == (["tic", "tac"] if apart else ["tictac"])
    assert words(f"tic{char}tac", "ascii", "split") == ["tic", "tac"]
    assert is_separator(char, "unicode")
    assert is_separator(char, "ascii") == apart
    assert not is_word_part(char)


@pytest.mark.parametrize("normalization", ["", "nfc", "Unicode", "ASCII"])
def test_unknown_normalization_is_refused_by_name(normalization: str) -> None:
    with pytest.raises(ValueError, match=rf"normalization='{normalization}'.*unicode.*ascii"):
        words("cat", normalization)


@pytest.mark.parametrize("punctuation", ["", "keep", "Split"])
def test_an_unknown_rule_for_punctuation_is_refused_by_name(punctuation: str) -> None:
    with pytest.raises(ValueError, match=rf"punctuation='{punctuation}'.*delete.*split"):
        words("cat", punctuation=punctuation)


@given(any_texts, any_texts, rules)
@example("e=", "\u0301x", ("unicode", "delete"))
@example("e=\u0323", "\u0338x", ("unicode", "delete"))
@example("\u1100=", "\u1161\u11a8", ("unicode", "delete"))
@example("\u0bc6", "\u0bbe", ("unicode", "delete"))
@example("a\u2013b", "c", ("ascii", "delete"))
@example("a\u2013b", "c", ("ascii", "split"))
@example("a=\u0338" + "\u0316" * 29, "\u0301\u0338", ("unicode", "delete"))
@example("=\u0338\uff9e", "\u0301" * 29 + "\u0316", ("unicode", "delete"))
@example("=\u0338" + "\u0345" * 40, "\u0301a", ("unicode", "split"))
def test_an_unfinished_word_goes_on_as_the_whole_text_does(
    text: str, more: str, rule: tuple[str, str]
) -> None:
    complete, unfinished = split_unfinished_word(text, *rule)
    whole = words(text + more, *rule)
    assert words(complete, *rule) + words(unfinished + more, *rule) == whole


@given(st.lists(st.one_of(texts(6), marked_texts(4)), max_size=8), rules)
def test_text_split_piece_by_piece_keeps_its_words(
    pieces: list[str], rule: tuple[str, str]
) -> None:
    found, unfinished = [], ""
    for piece in pieces:
        complete, unfinished = split_unfinished_word(unfinished + piece, *rule)
        found += words(complete, *rule)
    assert found + words(unfinished, *rule) == words("".join(pieces), *rule)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("char", ["=", "'", "\u00b4", "\u200d", "😀", "\ufe0f"])
def test_an_unfinished_word_is_without_what_is_deleted_anyway(
    char: str, normalization: str
) -> None:
    complete, unfinished = split_unfinished_word(
        char * 10_000 + "cat" + char * 10_000, normalization
    )
    assert words(complete, normalization) == []
    assert words(unfinished + "s", normalization) == ["cats"]
    assert len(unfinished) < 10


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\uff9e", "\u0f73", "\u0345\u05b0"])
def test_marks_before_all_letters_are_not_kept_where_they_are_deleted(marks: str) -> None:
    complete, unfinished = split_unfinished_word("=" + marks * 10_000, punctuation="split")
    assert words(complete, punctuation="split") == []
    assert words(unfinished + "cat", punctuation="split") == ["cat"]
    assert len(unfinished) < 40


@pytest.mark.parametrize("letter", ["", "\u03b1", "\uff9e", "\u0345", "7"])
def test_a_truncated_word_remains_one_exactly_if_it_has_a_letter(letter: str) -> None:
    unfinished = "\u0301" * 500 + letter + "\u05b0"
    kept = truncate_unfinished_word(unfinished, 100)
    assert len(kept) <= 101
    assert bool(words(kept)) == bool(words(unfinished)) == (letter in ("\u03b1", "7"))
    assert truncate_unfinished_word(unfinished, 1000) == unfinished


HARD_RUNS = [
    "a" + "\u0301" * 500 + "\u0316" * 500,
    "\u0301\u0316" * 500,
    "a" + ("\u0301" * 25 + "=") * 20 + ("\u0316" * 25 + "=") * 20,
    "か" + ("\u0301" * 25 + "\uff9e") * 40,
    "a" + "\u0f73\u0301\u0f71" * 300,
    "α" + ("\u0345" * 20 + "\u0301\ufe0f\u034f") * 50,
    "a" + "\ufc5e\u0316" * 500,
    "ǖ" * 100 + "\u1fb4\u0316\u0f81" * 300,
]


@pytest.mark.parametrize("text", HARD_RUNS)
def test_no_long_run_of_marks_is_ever_normalized_at_once(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of `unicodedata.normalize` is quadratic in the length of a run of marks."""
    normalized = []

    def normalize(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
        normalized.append(text)
        return unicodedata.normalize(form, text)

    spy = SimpleNamespace(**{**vars(unicodedata), "normalize": normalize})
    monkeypatch.setattr("transforms.text.normalize.unicodedata", spy)
    found = words(text)
    complete, unfinished = split_unfinished_word(text)
    found_in_parts = words(complete) + words(unfinished)
    accepted = accepted_words([text])
    monkeypatch.undo()
    assert found == found_in_parts == reference.words(text)
    assert accepted <= set(found)
    assert max(map(longest_run, normalized)) <= 30
    # A few times the text, and not once for each of its code points.
    assert sum(map(len, normalized)) < 30 * len(text)


def longest_run(text: str) -> int:
    """Returns the length of the longest run of non-starters in NFKD, found one by one."""
    longest = length = 0
    for char in text:
        for each in unicodedata.normalize("NFKD", char):
            length = length + 1 if unicodedata.combining(each) else 0
            longest = max(longest, length)
    return longest


@given(any_texts)
def test_stream_safe_text_is_that_of_the_standard(text: str) -> None:
    safe = stream_safe(text)
    assert safe == reference.stream_safe(text)
    assert stream_safe(safe) == safe
    assert longest_run(safe) <= 30


def test_every_run_of_marks_that_is_long_is_found() -> None:
    """Even behind the character whose own marks make it longest."""
    non_starters = [char for char in ALL_CHARS if longest_run(char)]
    for base in ("", "\u1f82"):
        for char in non_starters:
            text = base + char * 31
            assert longest_run(stream_safe(text)) <= 30
