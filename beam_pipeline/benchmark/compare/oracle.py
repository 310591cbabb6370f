"""What is right: the contract in slow, readable code that shares nothing with the engines."""

import functools
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple


class Tally(NamedTuple):
    """How many words a text has, and GCIDE word -> how many of them are its anagrams, sorted."""

    words: int
    counts: dict[str, int]


def tally(text: str | bytes) -> Tally:
    """`text`, as bytes in UTF-8 -> what is right about it."""
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
    """The counts of `tally` alone."""
    return tally(text).counts


def words() -> frozenset[str]:
    """The words of GCIDE, normalized as text is."""
    return frozenset(member for members in _classes().values() for member in members)


def word_of(piece: str) -> str:
    """A `piece` of text without separators -> the word it is, empty where nothing remains."""
    kept = _no_word_parts().sub("", unicodedata.normalize("NFC", piece))
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return _no_word_parts().sub("", unicodedata.normalize("NFKC", folded))


def is_separator(char: str) -> bool:
    """Whether `char` stands between words: white space, and every dash."""
    return char.isspace() or unicodedata.category(char) == "Pd"


def is_word_part(char: str) -> bool:
    """Whether `char` is a letter, a mark, or a decimal digit."""
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


def _parts(text: str | bytes) -> Iterator[str]:
    """A text in parts that end at white space: as one `str`, one in bytes may be too large."""
    if isinstance(text, str):
        yield text
        return
    for part in re.finditer(rb"(?s).{1,1000000}\S*", text):
        yield part.group().decode()


@functools.cache
def _between_separators() -> re.Pattern[str]:
    return re.compile(f"[^{_class_of(is_separator)}]+")


@functools.cache
def _no_word_parts() -> re.Pattern[str]:
    return re.compile(f"[^{_class_of(is_word_part)}]+")


def _class_of(rule: Callable[[str], bool]) -> str:
    """The inside of a regular expression's [] for all code points that `rule` holds for."""
    holds = [rule(chr(code)) for code in range(sys.maxunicode + 1)] + [False]
    starts = [code for code, held in enumerate(holds) if held and not (code and holds[code - 1])]
    ends = [holds.index(False, start) - 1 for start in starts]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends, strict=True))


@functools.cache
def _classes() -> Mapping[str, list[str]]:
    """Sorted letters -> the dictionary's words that have them."""
    from english_words import get_english_words_set

    members = set()
    for entry in get_english_words_set(["gcide"]):
        if all(unicodedata.category(char)[0] in "LM" or char in "'’" for char in entry):
            members.add(word_of(entry))
    classes: dict[str, list[str]] = {}
    for member in members - {""}:
        classes.setdefault("".join(sorted(member)), []).append(member)
    return classes
