"""Computes the expected answers, by slow, readable code that shares nothing with the engines."""

import functools
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

# Marks that Unicode calls ignorable by default, such as variation selectors.
_IGNORABLE = re.compile("[\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


class Tally(NamedTuple):
    """The expected answer for a text.

    Attributes:
      words: the number of its words.
      counts: for each word of GCIDE, how many of these are anagrams of it, sorted; without zeros.
    """

    words: int
    counts: dict[str, int]


def tally(text: str | bytes) -> Tally:
    """Counts a text; bytes must be UTF-8."""
    pieces: Counter[str] = Counter()
    for part in _parts(text):
        pieces.update(_between_separators().findall(part))
    occurrences: Counter[str] = Counter()
    for piece, count in pieces.items():
        occurrences["".join(sorted(word_of(piece)))] += count
    del occurrences[""]
    classes = _classes()
    counted = {
        member: count
        for letters, count in occurrences.items()
        for member in classes.get(letters, ())
    }
    return Tally(occurrences.total(), dict(sorted(counted.items())))


def counts(text: str | bytes) -> dict[str, int]:
    """Returns the counts of `tally` alone."""
    return tally(text).counts


def words() -> frozenset[str]:
    """Returns the words of GCIDE, normalized as text is."""
    return frozenset(member for members in _classes().values() for member in members)


def word_of(piece: str) -> str:
    """Returns the word of a piece of text without separators; empty if it has no letter or digit.

    This is right for all texts without runs of more than 30 marks.
    """
    kept = _not_of_words().sub("", unicodedata.normalize("NFC", piece))
    return _fold(kept) if any(map(is_letter, kept)) else ""


def _fold(kept: str) -> str:
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return _not_of_words().sub("", unicodedata.normalize("NFKC", folded))


def is_separator(char: str) -> bool:
    """Tells whether a character separates words: white space, and every dash."""
    return char.isspace() or unicodedata.category(char) == "Pd"


def is_word_part(char: str) -> bool:
    """Tells whether a character is a letter, a decimal digit, or a mark that is not ignorable."""
    category = unicodedata.category(char)
    return (category[0] in "LM" or category == "Nd") and not _IGNORABLE.match(char)


@functools.cache
def is_letter(char: str) -> bool:
    """Tells whether a part of a word is a letter or digit and does not become marks only."""
    return all(
        any(unicodedata.category(each)[0] in "LN" for each in form) for form in (char, _fold(char))
    )


def _parts(text: str | bytes) -> Iterator[str]:
    """Yields a text in parts that end at white space; as one `str` it might be too large."""
    if isinstance(text, str):
        yield text
        return
    for part in re.finditer(rb"(?s).{1,1000000}\S*", text):
        yield part.group().decode()


@functools.cache
def _between_separators() -> re.Pattern[str]:
    return re.compile(f"[^{_class_of(is_separator)}]+")


@functools.cache
def _not_of_words() -> re.Pattern[str]:
    return re.compile(f"[^{_class_of(is_word_part)}]+")


def _class_of(rule: Callable[[str], bool]) -> str:
    """Returns the inside of a regular expression's [] for all code points that obey a rule."""
    holds = [rule(chr(code)) for code in range(sys.maxunicode + 1)] + [False]
    starts = [code for code, held in enumerate(holds) if held and not (code and holds[code - 1])]
    ends = [holds.index(False, start) - 1 for start in starts]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends, strict=True))


@functools.cache
def _classes() -> Mapping[str, list[str]]:
    """Returns the words of the dictionary by their sorted letters."""
    from english_words import get_english_words_set

    members = set()
    for entry in get_english_words_set(["gcide"]):
        if all(unicodedata.category(char)[0] in "LM" or char in "'’" for char in entry):
            members.add(word_of(entry))
    classes: dict[str, list[str]] = {}
    for member in members - {""}:
        classes.setdefault("".join(sorted(member)), []).append(member)
    return classes
