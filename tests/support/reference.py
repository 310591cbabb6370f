"""The brute-force oracle: the contract in the simplest code that can state it.

It neither imports the code under test nor works like it: it reads text character by character,
counts every word on its own, and finds the members of its class by sorted letters, or by trying
all permutations.
"""

import functools
import itertools
import unicodedata
from collections import Counter
from collections.abc import Collection

from english_words import get_english_words_set

ASCII_WORD_PARTS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def words(text: str, normalization: str = "unicode") -> list[str]:
    """Returns the words of `text`, in order."""
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
    """Returns whether `char` separates words."""
    if normalization == "ascii":
        return char.isspace() or char == "-"
    return char.isspace() or unicodedata.category(char) == "Pd"


def word_of(piece: str, normalization: str) -> str:
    """Returns the word that a piece of text without separators becomes; it may be empty."""
    if normalization == "ascii":
        return "".join(char for char in piece if char in ASCII_WORD_PARTS).lower()
    kept = only_word_parts(unicodedata.normalize("NFC", piece))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", kept).casefold())
    return only_word_parts(folded)


def only_word_parts(text: str) -> str:
    """Returns the letters, marks and decimal digits of `text`."""
    return "".join(
        char
        for char in text
        if unicodedata.category(char).startswith(("L", "M")) or unicodedata.category(char) == "Nd"
    )


def accepts(entry: str) -> bool:
    """Returns whether a dictionary's entry has letters, marks and apostrophes only."""
    return all(unicodedata.category(char)[0] in "LM" or char in "'’" for char in entry)


@functools.cache
def dictionary_words(name: str, normalization: str = "unicode") -> frozenset[str]:
    """Returns the distinct words of the list called `name`, or of several joined by ``+``."""
    entries = get_english_words_set(name.split("+"))
    return frozenset(
        word for entry in entries if accepts(entry) for word in words(entry, normalization)
    )


@functools.cache
def classes_of(members: frozenset[str]) -> dict[tuple[str, ...], set[str]]:
    """Groups the words of `members` by their sorted letters."""
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
    """Counts for every word of a dictionary how many words of a text are its anagrams.

    Args:
      text: the text.
      members: the dictionary's words; None means the words of the text itself.
      normalization: how text becomes words.
      min_word_length: shorter words are not counted.
      min_class_size: classes with fewer members are left out.
      min_count: classes that occur less often are left out.
      top: the number of greatest counts to keep, of equal ones the first words; None keeps all.

    Returns:
      The counts by word, sorted by word.
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
    """Does what `counts` does, but tries all permutations of every word, which must be short.

    Equal permutations of a word, which has a letter twice, are counted once.
    """
    counted: Counter[str] = Counter()
    for word in words(text, normalization):
        arrangements = {"".join(letters) for letters in itertools.permutations(word)}
        counted.update(arrangements & set(members))
    return dict(sorted(counted.items()))
