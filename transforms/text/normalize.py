"""Text -> normalized words. Pure functions over `str`, standard library only.

Two normalizations, by name:

=========  ==============================  ===========================
           ``unicode``                     ``ascii``
=========  ==============================  ===========================
separates  white space; dashes (Pd)        white space; ``-``
word part  letters, marks, digits (Nd)     ``a-z A-Z 0-9``
others     deleted, the neighbours join    the same
fold       NFKC, casefold, NFKC            lower case
=========  ==============================  ===========================

``unicode`` cuts at separators first and then treats each piece alone: NFC, delete what is no
word part, fold, delete again. Folding therefore never makes or moves a separator.
"""

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby

from transforms.checks import check_one_of

NORMALIZATIONS = ("unicode", "ascii")

#: Longer words (in code points) are counted as words but match nothing, in any dictionary.
#: The limit lets a reader keep bounded memory on a "word" of gigabytes.
MAX_WORD_LENGTH = 1 << 16


class _CodePoints(dict[int, str | None]):
    """A `str.translate` table that asks `rule` once for each code point it meets."""

    def __init__(self, rule: Callable[[str], str | None]):
        self._rule = rule

    def __missing__(self, code_point: int) -> str | None:
        replacement = self[code_point] = self._rule(chr(code_point))
        return replacement


def is_separator(char: str, normalization: str = "unicode") -> bool:
    """Whether `char` separates words."""
    if normalization == "ascii":
        return char.isspace() or char == "-"
    return char.isspace() or unicodedata.category(char) == "Pd"


def is_word_part(char: str) -> bool:
    """Whether ``unicode`` keeps `char` as part of a word."""
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


def _spaced(normalization: str) -> _CodePoints:
    return _CodePoints(lambda char: " " if is_separator(char, normalization) else char)


_SPACED = {name: _spaced(name) for name in NORMALIZATIONS}
_WORD_PARTS = _CodePoints(lambda char: char if is_word_part(char) else None)

_ASCII = [chr(code) for code in range(128)]
#: `bytes.translate` tables: separators become spaces, letters lower case, the rest is deleted.
_ASCII_FOLD = bytes.maketrans(
    bytes(range(128)),
    "".join(" " if is_separator(char) else char.lower() for char in _ASCII).encode(),
)
_ASCII_DELETE = "".join(
    char for char in _ASCII if not is_separator(char) and not char.isalnum()
).encode()


def words(text: str, normalization: str = "unicode") -> list[str]:
    """`text` -> its normalized words, in order. None of them is empty.

    Raises:
      ValueError: `normalization` is none of `NORMALIZATIONS`.
    """
    check_one_of(NORMALIZATIONS, normalization=normalization)
    if text.isascii():
        return _ascii_words(text)
    if normalization == "ascii":
        return _ascii_words(" ".join(text.split()))
    return list(_unicode_words(text))


def _ascii_words(text: str) -> list[str]:
    """What both normalizations do to ASCII text. Any other code point is deleted."""
    kept = text.encode("ascii", "ignore").translate(_ASCII_FOLD, _ASCII_DELETE)
    return kept.decode("ascii").split()


def _unicode_words(text: str) -> Iterator[str]:
    # Few pieces of most texts are not ASCII, and those few come again and again.
    for is_ascii, pieces in groupby(text.split(), str.isascii):
        if is_ascii:
            yield from _ascii_words(" ".join(pieces))
        else:
            for piece in pieces:
                short = len(piece) <= _LONGEST_REMEMBERED
                yield from _remembered_words(piece) if short else _piece_words(piece)


def _piece_words(piece: str) -> tuple[str, ...]:
    parts = piece.translate(_SPACED["unicode"]).split(" ")
    return tuple(word for word in map(fold, parts) if word)


_LONGEST_REMEMBERED = 64
_remembered_words = lru_cache(1 << 16)(_piece_words)


def fold(piece: str) -> str:
    """A `piece` without separators -> its word under ``unicode``; empty when nothing is left."""
    kept = unicodedata.normalize("NFC", piece).translate(_WORD_PARTS)
    if kept.isascii():
        return kept.lower()
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_WORD_PARTS)


def squeeze(text: str, normalization: str = "unicode") -> tuple[str, str]:
    """The beginning of a very long text -> (its complete words, the word it ends in).

    For every continuation, ``words(text + more) == words(complete) + words(rest + more)``. The
    rest is free of all characters that are sure to be deleted, so that a reader can hold
    gigabytes of them in a few bytes.
    """
    complete, _, rest = text.translate(_SPACED[normalization]).rpartition(" ")
    if normalization == "ascii":
        return complete, "".join(_ascii_words(rest))
    composed = unicodedata.normalize("NFC", rest)
    # A mark still to come can change only the last starter (U+0338 makes "=" a "≠").
    last = len(composed) - 1
    while last > 0 and unicodedata.combining(composed[last]):
        last -= 1
    last = max(last, 0)
    return complete, composed[:last].translate(_WORD_PARTS) + composed[last:]
