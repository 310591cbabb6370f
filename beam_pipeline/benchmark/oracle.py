"""What is right: the contract in slow, readable code that shares nothing with the engines."""

import functools
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Tally(NamedTuple):
    """How many words a text has, and GCIDE word -> how many of them are its anagrams, sorted."""

    words: int
    counts: dict[str, int]


def tally(text: str | bytes) -> Tally:
    """`text`, as bytes in UTF-8 -> what is right about it."""
    occurrences: Counter[str] = Counter()
    for piece, count in Counter(_pieces(text)).items():
        occurrences["".join(sorted(word_of(piece)))] += count
    occurrences.pop("", None)
    classes = _classes()
    counted = {
        member: count
        for letters, count in occurrences.items()
        for member in classes.get(letters, ())
    }
    return Tally(occurrences.total(), dict(sorted(counted.items())))


def counts(text: str | bytes) -> dict[str, int]:
    """The counts of `tally` alone."""
    return tally(text).counts


def words() -> frozenset[str]:
    """The words of GCIDE, normalized as text is."""
    return frozenset(member for members in _classes().values() for member in members)


def word_of(piece: str) -> str:
    """A `piece` of text without separators -> the word it is, empty where nothing remains."""
    kept = _word_parts(unicodedata.normalize("NFC", piece))
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return _word_parts(unicodedata.normalize("NFKC", folded))


def _word_parts(text: str) -> str:
    return "".join(char for char in text if _category(char)[0] in "LM" or _category(char) == "Nd")


_PART = re.compile(rb"(?s).{1,1000000}\S*")
_category = functools.cache(unicodedata.category)


def _pieces(text: str | bytes) -> Iterator[str]:
    for part in [text] if isinstance(text, str) else _decoded(text):
        yield from (match.group() for match in _between_separators().finditer(part))


def _decoded(text: bytes) -> Iterator[str]:
    """A `text` of any size, in parts that end at white space: as one `str` it may be too large."""
    for match in _PART.finditer(text):
        yield match.group().decode()


@functools.cache
def _between_separators() -> re.Pattern[str]:
    every = map(chr, range(sys.maxunicode + 1))
    separators = (char for char in every if char.isspace() or _category(char) == "Pd")
    return re.compile(f"[^{re.escape(''.join(separators))}]+")


@functools.cache
def _classes() -> Mapping[str, list[str]]:
    from english_words import get_english_words_set

    members = set()
    for entry in get_english_words_set(["gcide"]):
        if all(_category(char)[0] in "LM" or char in "'’" for char in entry):
            members.add(word_of(entry))
    classes: dict[str, list[str]] = {}
    for member in members - {""}:
        classes.setdefault("".join(sorted(member)), []).append(member)
    return classes
