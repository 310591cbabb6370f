"""The brute-force oracle: the contract in the simplest code that can state it.

It imports nothing of the code under test, and shares no idea with it: text is read character by
character, every word is counted on its own, every class is looked up by its sorted letters or
by trying all permutations.
"""

import functools
import itertools
import unicodedata
from collections import Counter
from collections.abc import Collection

from english_words import get_english_words_set

ASCII_WORD_PARTS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def words(text: str, normalization: str = "unicode") -> list[str]:
    """The words of `text`, in order."""
    found = []
    piece = ""
    for char in text + " ":
        if separates(char, normalization):
            found.append(word_of(piece, normalization))
            piece = ""
        else:
            piece += char
    return [word for word in found if word != ""]


def separates(char: str, normalization: str) -> bool:
    """Whether `char` stands between words."""
    if normalization == "ascii":
        return char.isspace() or char == "-"
    return char.isspace() or unicodedata.category(char) == "Pd"


def word_of(piece: str, normalization: str) -> str:
    """What is left of a `piece` of text without separators."""
    if normalization == "ascii":
        return "".join(char for char in piece if char in ASCII_WORD_PARTS).lower()
    kept = only_word_parts(unicodedata.normalize("NFC", piece))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", kept).casefold())
    return only_word_parts(folded)


def only_word_parts(text: str) -> str:
    """`text` without what is no letter, mark or decimal digit."""
    return "".join(
        char
        for char in text
        if unicodedata.category(char).startswith(("L", "M")) or unicodedata.category(char) == "Nd"
    )


def accepts(entry: str) -> bool:
    """Whether a dictionary's `entry` has letters, marks and apostrophes only."""
    return all(unicodedata.category(char)[0] in "LM" or char in "'’" for char in entry)


@functools.cache
def dictionary_words(name: str, normalization: str = "unicode") -> frozenset[str]:
    """The distinct words of the list called `name`, of several joined by ``+`` their union."""
    entries = get_english_words_set(name.split("+"))
    return frozenset(
        word for entry in entries if accepts(entry) for word in words(entry, normalization)
    )


@functools.cache
def classes_of(members: frozenset[str]) -> dict[tuple[str, ...], set[str]]:
    """Sorted letters -> the words of `members` that have them."""
    classes: dict[tuple[str, ...], set[str]] = {}
    for word in members:
        classes.setdefault(tuple(sorted(word)), set()).add(word)
    return classes


def counts(
    text: str,
    members: Collection[str] | None,
    normalization: str = "unicode",
    *,
    min_word_length: int = 1,
    min_class_size: int = 1,
    min_count: int = 1,
    top: int | None = None,
) -> dict[str, int]:
    """Member word -> how many words of `text` are its anagrams, sorted by word.

    Args:
      members: the dictionary's words; None for the words of the text itself.
      min_word_length, min_class_size, min_count: what is less is left out.
      top: only the so many greatest counts; of equal ones the first words.
    """
    seen = [word for word in words(text, normalization) if len(word) >= min_word_length]
    occurrences = Counter(tuple(sorted(word)) for word in seen)
    classes = classes_of(frozenset(seen if members is None else members))
    counted = {}
    for letters, count in occurrences.items():
        of_class = classes.get(letters, set())
        if len(of_class) >= min_class_size and count >= min_count:
            for word in of_class:
                counted[word] = count
    ranked = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(sorted(ranked if top is None else ranked[:top]))


def counts_by_permutation(
    text: str, members: Collection[str], normalization: str = "unicode"
) -> dict[str, int]:
    """`counts` without sorting letters: all permutations of every word are tried.

    An arrangement of a word with repeated letters is counted once. Only for short words.
    """
    counted: Counter[str] = Counter()
    for word in words(text, normalization):
        arrangements = {"".join(letters) for letters in itertools.permutations(word)}
        counted.update(arrangements & set(members))
    return dict(sorted(counted.items()))
