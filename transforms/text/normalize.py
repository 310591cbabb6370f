"""Normalization: how text becomes words.

This module has pure functions over `str` and needs only the standard library. There are two
normalizations:

==================  ==================================  ===========================
what it does        ``unicode``                         ``ascii``
==================  ==================================  ===========================
separates words     white space; dashes (Pd)            white space; ``-``
is part of a word   letters, marks, decimal digits      ``a-z A-Z 0-9``
                    (L, M, Nd), except marks that are
                    ignorable by default
is deleted          everything else, so that the        the same
                    characters around it join
folds letters by    NFKC, casefold, NFKC                lower case
==================  ==================================  ===========================

``unicode`` splits text at separators first. It then treats each piece on its own: it applies NFC,
deletes what is not part of a word, folds letters, and deletes again. Folding can therefore neither
create nor move a separator. A piece without a letter or digit, such as a mark alone, is not a word.

With ``split`` for punctuation, instead of ``delete``, punctuation and symbols (P, S) separate words
too, except apostrophes, which are deleted. Marks before the first letter or digit of a piece are
then deleted, because they belong to the symbol before the piece: "=" and U+0338 compose to U+2260.
So words do not depend on whether text is composed.

**Stream-safe text.** The time that NFC and NFKC take is quadratic in the length of a run of marks.
Both are therefore applied to the Stream-Safe Text Format of UAX #15: in the NFKD form of the text,
a run of non-starters (code points with a combining class other than 0) is cut before each
non-starter that would make it longer than 30, and marks on both sides of a cut neither change
places nor compose. Deleting can join two runs, so text is made stream-safe before each step. Real
text has runs of about five marks at most, and is stream-safe already. Only in text that is not can
the words of a composed and of a decomposed spelling differ.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby

from transforms.checks import check_one_of

NORMALIZATIONS = ("unicode", "ascii")
#: What punctuation and symbols do: ``delete`` joins the characters around them, ``split`` makes
#: them separate words.
PUNCTUATION_RULES = ("delete", "split")
#: These are deleted with either rule.
APOSTROPHES = "'’"

#: The greatest length of a word that can be an anagram of another, in code points. Longer words
#: are counted as words but match nothing, in any dictionary. The limit allows a reader to work
#: in bounded memory even if a single "word" has gigabytes.
MAX_WORD_LENGTH = 1 << 16

# Marks that are default-ignorable in Unicode, such as the one that turns a symbol into an emoji.
_IGNORABLE_MARKS = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)

# See UAX #15, section 13.
_MAX_NON_STARTERS = 30
_COMBINING_GRAPHEME_JOINER = "\u034f"
# More than 30 non-starters in a row take this many code points at least: the NFKD form of a code
# point ends in 3 of them at most, and that of each of the next ones has 2 at most.
_FEWEST_OF_A_LONG_RUN = 14


class _TranslationTable(dict[int, str | None]):
    """A table for `str.translate` that computes an entry when its code point is first met."""

    def __init__(self, replace: Callable[[str], str | None]):
        self._replace = replace

    def __missing__(self, code_point: int) -> str | None:
        replacement = self[code_point] = self._replace(chr(code_point))
        return replacement


def is_separator(char: str, normalization: str = "unicode", punctuation: str = "delete") -> bool:
    """Whether `char` separates words."""
    if char.isspace() or char == "-":
        return True
    category = unicodedata.category(char)
    if punctuation == "split":
        return category[0] in "PS" and char not in APOSTROPHES
    return normalization == "unicode" and category == "Pd"


def is_word_part(char: str) -> bool:
    """Whether the normalization ``unicode`` keeps `char` as part of a word."""
    category = unicodedata.category(char)
    return (category[0] in "LM" or category == "Nd") and char not in _IGNORABLE_MARKS


def _separators_to_spaces(normalization: str, punctuation: str) -> _TranslationTable:
    return _TranslationTable(
        lambda char: " " if is_separator(char, normalization, punctuation) else char
    )


_SEPARATORS_TO_SPACES = {
    (normalization, punctuation): _separators_to_spaces(normalization, punctuation)
    for normalization in NORMALIZATIONS
    for punctuation in PUNCTUATION_RULES
}
_KEEP_WORD_PARTS = _TranslationTable(lambda char: char if is_word_part(char) else None)


def _ascii_translation(punctuation: str) -> tuple[bytes, bytes]:
    """Returns the arguments of `bytes.translate` for the normalization of ASCII text.

    Separators become spaces, letters become lower case, and everything else but digits is deleted.
    """
    chars = [chr(code) for code in range(128)]
    separators = {char for char in chars if is_separator(char, punctuation=punctuation)}
    folded = "".join(" " if char in separators else char.lower() for char in chars)
    deleted = "".join(char for char in chars if char not in separators and not char.isalnum())
    return bytes.maketrans(bytes(range(128)), folded.encode()), deleted.encode()


_ASCII_TRANSLATIONS = {rule: _ascii_translation(rule) for rule in PUNCTUATION_RULES}


def words(text: str, normalization: str = "unicode", punctuation: str = "delete") -> list[str]:
    """Splits text into normalized words.

    Args:
      text: the text, which begins and ends between words.
      normalization: one of `NORMALIZATIONS`.
      punctuation: one of `PUNCTUATION_RULES`.

    Returns:
      The words in the order of the text. None of them is empty.

    Raises:
      ValueError: if `normalization` or `punctuation` is not one of the permitted values.

    Example:
      >>> words("Don't stop: a well-known CAFÉ,bar")
      ['dont', 'stop', 'a', 'well', 'known', 'cafébar']
      >>> words("Don't stop: a well-known CAFÉ,bar", punctuation="split")
      ['dont', 'stop', 'a', 'well', 'known', 'café', 'bar']
    """
    check_one_of(NORMALIZATIONS, normalization=normalization)
    check_one_of(PUNCTUATION_RULES, punctuation=punctuation)
    if text.isascii():
        return _ascii_words(text, punctuation)
    if normalization == "ascii":
        if punctuation == "split":
            return _ascii_words(text.translate(_SEPARATORS_TO_SPACES["ascii", "split"]), "split")
        return _ascii_words(" ".join(text.split()), punctuation)
    return list(_unicode_words(text, punctuation))


def _ascii_words(text: str, punctuation: str) -> list[str]:
    """Normalizes ASCII text, for which both normalizations agree. Other code points are deleted."""
    kept = text.encode("ascii", "ignore").translate(*_ASCII_TRANSLATIONS[punctuation])
    return kept.decode("ascii").split()


def _unicode_words(text: str, punctuation: str) -> Iterator[str]:
    # In most texts few pieces are not ASCII, and they recur, so they are cached.
    for is_ascii, pieces in groupby(text.split(), str.isascii):
        if is_ascii:
            yield from _ascii_words(" ".join(pieces), punctuation)
        else:
            for piece in pieces:
                short = len(piece) <= _MAX_CACHED_LENGTH
                yield from (_cached_piece_words if short else _piece_words)(piece, punctuation)


def _piece_words(piece: str, punctuation: str) -> tuple[str, ...]:
    """Returns the words of a piece of text without white space."""
    parts = piece.translate(_SEPARATORS_TO_SPACES["unicode", punctuation]).split(" ")
    return tuple(word for part in parts if (word := _word_of(part, punctuation)))


_MAX_CACHED_LENGTH = 64
_cached_piece_words = lru_cache(1 << 16)(_piece_words)


def _word_of(piece: str, punctuation: str) -> str:
    """Returns the word of a piece without separators, or an empty string (``unicode``)."""
    kept = _word_parts(piece)
    if not kept.isascii():
        first = next((at for at, char in enumerate(kept) if _is_letter(char)), len(kept))
        if punctuation == "split" or first == len(kept):
            kept = kept[first:]
    return _fold(kept)


def letters_of(piece: str, normalization: str = "unicode") -> str:
    """Normalizes a piece of text without separators.

    Returns the letters, digits and marks of a word, or only marks, which are not a word.
    """
    if normalization == "ascii":
        return "".join(_ascii_words(piece, "delete"))
    return _fold(_word_parts(piece))


def _word_parts(piece: str) -> str:
    return unicodedata.normalize("NFC", stream_safe(piece)).translate(_KEEP_WORD_PARTS)


def _fold(kept: str) -> str:
    """Folds the letters of a text that consists of parts of a word."""
    if kept.isascii():
        return kept.lower()
    folded = unicodedata.normalize("NFKC", stream_safe(kept)).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    letters = folded.translate(_KEEP_WORD_PARTS)
    if len(letters) < len(folded):  # characters around a deleted one may compose now
        letters = unicodedata.normalize("NFKC", stream_safe(letters)).translate(_KEEP_WORD_PARTS)
    return letters


@functools.cache
def _is_letter(char: str) -> bool:
    """Whether folding `char`, a part of a word but not a mark, yields letters or digits."""
    return not is_mark(char) and not all(map(is_mark, letters_of(char)))


def is_mark(char: str) -> bool:
    """Whether `char` is a mark; marks alone are not a word."""
    return unicodedata.category(char)[0] == "M"


def stream_safe(text: str) -> str:
    """Returns a text in the Stream-Safe Text Format of UAX #15.

    Args:
      text: any text.

    Returns:
      The text, with U+034F before each non-starter that would be the 31st in its run; usually there
      is none, and the result is `text` itself.
    """
    if len(text) < _FEWEST_OF_A_LONG_RUN or text.isascii() or not _long_runs().search(text):
        return text
    safe = []
    length = 0
    for char in text:
        leading, trailing, is_mixed = _non_starters(char)
        if length + leading > _MAX_NON_STARTERS:
            safe.append(_COMBINING_GRAPHEME_JOINER)
            length = 0
        safe.append(char)
        length = trailing if is_mixed else length + trailing
    return "".join(safe) if len(safe) > len(text) else text


@functools.cache
def _non_starters(char: str) -> tuple[int, int, bool]:
    """Counts the non-starters in the NFKD form of `char`.

    Returns:
      How many it begins with, how many it ends with, and whether it has anything else.
    """
    is_starter = [not unicodedata.combining(each) for each in unicodedata.normalize("NFKD", char)]
    if not any(is_starter):
        return len(is_starter), len(is_starter), False
    return is_starter.index(True), is_starter[::-1].index(True), True


@functools.cache
def _long_runs() -> re.Pattern[str]:
    """Returns a pattern that matches in every text that is not stream-safe."""
    changed = (
        char
        for char in map(chr, range(1 << 16))
        if unicodedata.combining(char) or unicodedata.decomposition(char)
    )
    non_starters = "".join(char for char in changed if _non_starters(char)[0])
    # The next plane as a whole, because `re` is slow with many ranges there; later ones have none.
    return re.compile(f"[{non_starters}\U00010000-\U0001ffff]{{{_FEWEST_OF_A_LONG_RUN}}}")


def split_unfinished_word(
    text: str, normalization: str = "unicode", punctuation: str = "delete"
) -> tuple[str, str]:
    """Splits the beginning of a text before the word in which it ends.

    This is for a reader that cannot hold a very long text in memory: it counts the words that are
    complete, and prepends the unfinished one to the text it reads next. For every continuation
    `more`::

        words(text + more) == words(complete) + words(unfinished + more)

    Characters that are deleted whatever follows them are left out of the unfinished word. So a
    reader can skip gigabytes of such characters while it holds only a few bytes.

    Args:
      text: the beginning of a text.
      normalization: one of `NORMALIZATIONS`.
      punctuation: one of `PUNCTUATION_RULES`.

    Returns:
      The text up to the last separator, and the unfinished word after it.
    """
    spaced = text.translate(_SEPARATORS_TO_SPACES[normalization, punctuation])
    complete, _, unfinished = spaced.rpartition(" ")
    if normalization == "ascii":
        return complete, letters_of(unfinished, "ascii")
    composed = unicodedata.normalize("NFC", stream_safe(unfinished))
    # A mark that follows later can change the last starter, but nothing before it: U+0338 after "="
    # makes it U+2260. So nothing is deleted from the last starter on. The last starter may be the
    # U+034F of a stream-safe text, which shows that the run of marks has been cut here.
    last = len(composed) - 1
    while last > 0 and _non_starters(composed[last])[0]:
        last -= 1
    last = max(last, 0)
    kept = composed[:last].translate(_KEEP_WORD_PARTS)
    if punctuation == "split":
        kept = kept[next((at for at, char in enumerate(kept) if _is_letter(char)), len(kept)) :]
    return complete, kept + composed[last:]


def truncate_unfinished_word(unfinished: str, length: int) -> str:
    """Shortens an unfinished word that is too long to match anything, whatever follows.

    Args:
      unfinished: the second result of `split_unfinished_word`.
      length: how many code points of it to keep. One more is kept if it is needed to show that
        this is a word, not only marks.
    """
    if len(unfinished) <= length:
        return unfinished
    letters = (char for char in set(unfinished) if is_word_part(char) and _is_letter(char))
    return unfinished[:length] + min(letters, default="")
