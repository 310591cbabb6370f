"""The brute-force oracle: the contract in the simplest code that can state it.

It neither imports the code under test nor works like it: it reads text character by character,
counts every word on its own, and finds the members of its class by sorted letters, or by trying
all permutations.
"""

import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Collection

from english_words import get_english_words_set

IGNORABLE_MARKS = re.compile(
    "[\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
ASCII_WORD_PARTS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def words(text: str, normalization: str = "unicode", punctuation: str = "delete") -> list[str]:
    """Returns the words of `text`, in order."""
    found = []
    piece = ""
    for char in text + " ":
        if separates(char, normalization, punctuation):
            found.append(word_of(piece, normalization, punctuation))
            piece = ""
        else:
            piece += char
    return [word for word in found if word != ""]


def separates(char: str, normalization: str, punctuation: str) -> bool:
    """Returns whether `char` separates words."""
    if char.isspace() or char == "-":
        return True
    if punctuation == "split" and unicodedata.category(char).startswith(("P", "S")):
        return char not in "'’"
    return normalization == "unicode" and unicodedata.category(char) == "Pd"


@functools.lru_cache(1 << 19)
def word_of(piece: str, normalization: str, punctuation: str) -> str:
    """Returns the word that a piece of text without separators becomes; it may be empty."""
    if normalization == "ascii":
        return "".join(char for char in piece if char in ASCII_WORD_PARTS).lower()
    kept = only_word_parts(unicodedata.normalize("NFC", stream_safe(piece)))
    if not any(map(is_letter, kept)):
        return ""
    while punctuation == "split" and not is_letter(kept[0]):
        kept = kept[1:]  # a mark of the symbol before the piece
    folded = only_word_parts(fold(stream_safe(kept)))
    return only_word_parts(unicodedata.normalize("NFKC", stream_safe(folded)))


def fold(text: str) -> str:
    """Returns `text` without differences of case, width and composition."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def only_word_parts(text: str) -> str:
    """Returns the letters, marks and decimal digits of `text` that are not ignorable."""
    return "".join(filter(is_word_part, text))


@functools.cache
def is_word_part(char: str) -> bool:
    """Returns whether `char` is a letter, a mark that is not ignorable, or a decimal digit."""
    category = unicodedata.category(char)
    return (category[0] in "LM" or category == "Nd") and not IGNORABLE_MARKS.match(char)


@functools.cache
def is_letter(char: str) -> bool:
    """Returns whether a part of a word is no mark, and does not become marks only."""
    becomes = "".join(unicodedata.category(each)[0] for each in only_word_parts(fold(char)))
    return unicodedata.category(char)[0] != "M" and becomes.strip("M") != ""


def stream_safe(text: str) -> str:
    """Does the Stream-Safe Text Process of UAX #15 (D4), step by step."""
    output = ""
    non_starter_count = 0
    for char in text:
        classes = combining_classes(char)
        initial = len(list(itertools.takewhile(bool, classes)))
        if non_starter_count + initial > 30:
            output += "\u034f"
            non_starter_count = 0
        output += char
        if 0 not in classes:
            non_starter_count += len(classes)
        else:
            non_starter_count = len(list(itertools.takewhile(bool, reversed(classes))))
    return output


@functools.cache
def combining_classes(char: str) -> list[int]:
    """Returns the combining classes of the NFKD form of `char`; a starter's is 0."""
    return [unicodedata.combining(each) for each in unicodedata.normalize("NFKD", char)]


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
    punctuation: str = "delete",
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
      punctuation: whether it is deleted or separates words.
      min_word_length: shorter words are not counted.
      min_class_size: classes with fewer members are left out.
      min_count: classes that occur less often are left out.
      top: the number of greatest counts to keep, of equal ones the first words; None keeps all.

    Returns:
      The counts by word, sorted by word.
    """
    seen = [
        word for word in words(text, normalization, punctuation) if len(word) >= min_word_length
    ]
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
