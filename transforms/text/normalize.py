"""Normalization: how text becomes words.

This module has pure functions over `str` and needs only the standard library. There are two
normalizations, known by their names:

==================  ==============================  ===========================
what it does        ``unicode``                     ``ascii``
==================  ==============================  ===========================
separates words     white space; dashes (Pd)        white space; ``-``
is part of a word   letters, marks, digits (Nd)     ``a-z A-Z 0-9``
is deleted          everything else, so that the    the same
                    characters around it join
folds letters by    NFKC, casefold, NFKC            lower case
==================  ==============================  ===========================

``unicode`` splits text at separators first. It then treats each piece on its own: it applies NFC,
deletes what is not part of a word, folds letters, and deletes again. Folding can therefore neither
create nor move a separator.
"""

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby

from transforms.checks import check_one_of

NORMALIZATIONS = ("unicode", "ascii")

#: The greatest length of a word that can be an anagram of another, in code points. Longer words
#: are counted as words but match nothing, in any dictionary. The limit allows a reader to work
#: in bounded memory even if a single "word" has gigabytes.
MAX_WORD_LENGTH = 1 << 16


class _TranslationTable(dict[int, str | None]):
    """A table for `str.translate` that computes an entry when its code point is first met."""

    def __init__(self, replace: Callable[[str], str | None]):
        self._replace = replace

    def __missing__(self, code_point: int) -> str | None:
        replacement = self[code_point] = self._replace(chr(code_point))
        return replacement


def is_separator(char: str, normalization: str = "unicode") -> bool:
    """Whether `char` separates words."""
    if normalization == "ascii":
        return char.isspace() or char == "-"
    return char.isspace() or unicodedata.category(char) == "Pd"


def is_word_part(char: str) -> bool:
    """Whether the normalization ``unicode`` keeps `char` as part of a word."""
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


def _separators_to_spaces(normalization: str) -> _TranslationTable:
    return _TranslationTable(lambda char: " " if is_separator(char, normalization) else char)


_SEPARATORS_TO_SPACES = {name: _separators_to_spaces(name) for name in NORMALIZATIONS}
_KEEP_WORD_PARTS = _TranslationTable(lambda char: char if is_word_part(char) else None)

_ASCII = [chr(code) for code in range(128)]
#: Arguments of `bytes.translate`: separators become spaces, letters become lower case, and what is
#: neither of them nor a digit is deleted.
_ASCII_FOLD = bytes.maketrans(
    bytes(range(128)),
    "".join(" " if is_separator(char) else char.lower() for char in _ASCII).encode(),
)
_ASCII_DELETE = "".join(
    char for char in _ASCII if not is_separator(char) and not char.isalnum()
).encode()


def words(text: str, normalization: str = "unicode") -> list[str]:
    """Splits text into normalized words.

    Args:
      text: the text, which begins and ends between words.
      normalization: one of `NORMALIZATIONS`.

    Returns:
      The words in the order of the text. None of them is empty.

    Raises:
      ValueError: if `normalization` is not one of `NORMALIZATIONS`.

    Example:
      >>> words("Don't stop: a well-known CAFÉ")
      ['dont', 'stop', 'a', 'well', 'known', 'café']
    """
    check_one_of(NORMALIZATIONS, normalization=normalization)
    if text.isascii():
        return _ascii_words(text)
    if normalization == "ascii":
        return _ascii_words(" ".join(text.split()))
    return list(_unicode_words(text))


def _ascii_words(text: str) -> list[str]:
    """Does what both normalizations do to ASCII text. Any other code point is deleted."""
    kept = text.encode("ascii", "ignore").translate(_ASCII_FOLD, _ASCII_DELETE)
    return kept.decode("ascii").split()


def _unicode_words(text: str) -> Iterator[str]:
    # In most texts few pieces are not ASCII, and the same ones occur again and again.
    for is_ascii, pieces in groupby(text.split(), str.isascii):
        if is_ascii:
            yield from _ascii_words(" ".join(pieces))
        else:
            for piece in pieces:
                short = len(piece) <= _MAX_CACHED_LENGTH
                yield from _cached_piece_words(piece) if short else _piece_words(piece)


def _piece_words(piece: str) -> tuple[str, ...]:
    """Returns the words of a piece of text without white space."""
    parts = piece.translate(_SEPARATORS_TO_SPACES["unicode"]).split(" ")
    return tuple(word for word in map(fold, parts) if word)


_MAX_CACHED_LENGTH = 64
_cached_piece_words = lru_cache(1 << 16)(_piece_words)


def fold(piece: str) -> str:
    """Returns the word that ``unicode`` makes of a piece of text without separators.

    The result is empty if nothing in `piece` is part of a word.
    """
    kept = unicodedata.normalize("NFC", piece).translate(_KEEP_WORD_PARTS)
    if kept.isascii():
        return kept.lower()
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_KEEP_WORD_PARTS)


def split_unfinished_word(text: str, normalization: str = "unicode") -> tuple[str, str]:
    """Splits the beginning of a text before the word in which it ends.

    This is for a reader that cannot hold a very long text in memory: it counts the words that are
    complete, and puts the unfinished one before what it reads next. For every continuation
    `more`::

        words(text + more) == words(complete) + words(unfinished + more)

    Characters that are deleted whatever follows them are left out of the unfinished word. A
    reader can thus get past gigabytes of such characters while it holds only a few bytes.

    Args:
      text: the beginning of a text.
      normalization: one of `NORMALIZATIONS`.

    Returns:
      The text up to the last separator, and the unfinished word behind it.
    """
    complete, _, unfinished = text.translate(_SEPARATORS_TO_SPACES[normalization]).rpartition(" ")
    if normalization == "ascii":
        return complete, "".join(_ascii_words(unfinished))
    composed = unicodedata.normalize("NFC", unfinished)
    # A mark that is still to come can change the last starter, and nothing before it: U+0338
    # behind "=" makes it U+2260. So nothing is deleted from the last starter on.
    last = len(composed) - 1
    while last > 0 and unicodedata.combining(composed[last]):
        last -= 1
    last = max(last, 0)
    return complete, composed[:last].translate(_KEEP_WORD_PARTS) + composed[last:]
