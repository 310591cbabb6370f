"""Generated texts, rich in what is difficult about text."""

import unicodedata

from hypothesis import strategies as st

ALL_CHARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
DASHES = [char for char in ALL_CHARS if unicodedata.category(char) == "Pd"]
SPACES = [char for char in ALL_CHARS if char.isspace()]
#: Characters whose case, width or composition normalization changes, and others like them.
TRICKY = [
    *("ß", "ẞ", "İ", "ı", "ﬁ", "ſ", "\u212a", "σ", "ς", "Σ", "Ǆ", "ǅ", "ŉ", "ΐ", "\u0390"),
    *("é", "e\u0301", "ﬃ", "Å", "\u212b", "Ａ", "ｚ", "５", "٣", "९", "𝟘", "²", "½", "Ⅷ", "①"),
    *("\u00b4", "\u037a", "\u1fbd", "\u0384", "\u00a8", "=", "=\u0338", "\u2260", "\u2032"),
    *("\u0301", "\u0338", "\u0323", "\u0345", "\u05b0", "\u20dd", "\u200d", "\ufe0f", "\u034f"),
    *("\u1100", "\u1161", "\u11a8", "가", "각", "\u0b47", "\u0b3e", "\u0bc6", "\u0bbe", "क्", "ท้"),
    *(
        "\ufe0f",
        "\ufe00",
        "\U000e0100",
        "\u17b4",
        "\u180b",
        "❤\ufe0f",
        "\uff9e",
        "\ufe70",
        "\ufc5e",
    ),
    *("'", "’", "_", ".", "0", "7", "\ufeff", "\u00ad", "\u200b", "\u2028", "\u0000", "漢", "😀"),
]
SEPARATORS = [*SPACES, *DASHES]
#: Marks of many combining classes, some of which compose, become letters or are ignored, and other
#: characters that are marks in compatibility forms only.
MARKS = [
    *("\u0301", "\u0316", "\u0338", "\u0323", "\u0344", "\u0345", "\u0315", "\u034f", "\ufe0f"),
    *("\u0f71", "\u0f73", "\u05b0", "\u20dd", "\u3099", "\uff9e", "\uff9f", "\ufc5e", "\ufe70"),
]

_chars = st.one_of(
    st.sampled_from("abctAZK19 -\n"),
    st.sampled_from(TRICKY),
    st.sampled_from(SEPARATORS),
    st.characters(exclude_categories=["Cs"]),
)


def texts(max_size: int = 30) -> st.SearchStrategy[str]:
    """Any text, rich in separators, marks and letters that change when they are folded."""
    return st.lists(_chars, max_size=max_size).map("".join)


def marked_texts(max_size: int = 8) -> st.SearchStrategy[str]:
    """Texts with long runs of marks, and few other characters between them."""
    marks = st.one_of(st.sampled_from(MARKS), st.lists(st.sampled_from(MARKS)).map("".join))
    run = st.builds(
        lambda mark, times: mark * times, marks, st.sampled_from([1, 2, 14, 29, 30, 31])
    )
    other = st.sampled_from(
        [*"ae=' ", "α", "ǖ", "か", "\u1fb4", "\u1100", "\u1161", "ἂ", "≠", "\u3000"]
    )
    return st.lists(st.one_of(run, run, other), max_size=max_size).map("".join)


def ascii_texts(max_size: int = 40) -> st.SearchStrategy[str]:
    """Any ASCII text, control characters included."""
    return st.text(st.characters(max_codepoint=127), max_size=max_size)


def sentences(vocabulary: list[str], max_size: int = 25) -> st.SearchStrategy[str]:
    """Texts of words of `vocabulary`, their anagrams and other words, with any separators."""
    word = st.one_of(
        st.sampled_from(vocabulary),
        st.sampled_from(vocabulary).map(str.upper),
        st.sampled_from(vocabulary).flatmap(lambda word: st.permutations(word).map("".join)),
        st.sampled_from(TRICKY),
        texts(4),
    )
    separator = st.sampled_from([" ", "\n", "\r\n", "-", ", ", ".\n\n", " \u2014 ", *SEPARATORS])
    return st.lists(st.tuples(word, separator).map("".join), max_size=max_size).map("".join)
