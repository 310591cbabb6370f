"""Letters as numbers: what each code point adds to the two numbers of the word it stands in.

Why words of one length and with equal numbers have equal letters: a letter is a digit, with a
place in one of the numbers. Its weight there is the weight of the letter before, times one more
than any class has of that one; thus all classes have numbers of their own. A word may have more
of a letter than its place can hold, and that many are worth one of the next letter. But then it
is longer than the class that has the number. As a longer word than the longest class is equal to
none, weights are given only as far as so many letters of one weight do not overflow 64 bits.

With some sixty letters, depending on how often a class has one, there are no weights left: then
the numbers of all are 128 random bits. Two given classes of one length share them with a
probability of about 2**-120, and no test or memory is as reliable as that.
"""

import functools
import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.text.normalize import is_separator, is_word_part, words

# What a code point does to the word it stands in, where it does not add so many letters.
SEPARATES = -1
GENERAL = -2
UNKNOWN = -3
# Added to the length of a word by a letter that no word of the dictionary has.
FOREIGN = 1 << 40

PAGE = 256
_BMP = 1 << 16

Numbers = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@functools.cache
def _composing() -> frozenset[str]:
    """The code points that can compose with one before them: canonical seconds, and Jamo."""
    seconds = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for code in range(0x20000):
        decomposition = unicodedata.decomposition(chr(code))
        if " " in decomposition and not decomposition.startswith("<"):
            seconds.add(chr(int(decomposition.split()[1], 16)))
    return frozenset(seconds)


def _is_independent(char: str) -> bool:
    """Whether ``unicode`` normalization treats `char` the same whatever precedes it."""
    composed = unicodedata.normalize("NFC", char)
    kept = "".join(filter(is_word_part, composed))
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return not any(_begins_composing(form) for form in {composed, kept, folded})


def _begins_composing(text: str) -> bool:
    for char in unicodedata.normalize("NFKD", text):
        if char in _composing():
            return True
        if not unicodedata.combining(char):
            return False
    return False


class Numbering:
    """Letter -> its two 64-bit numbers.

    Attributes:
      longest: no class has more letters.
    """

    def __init__(self, classes: Mapping[str, tuple[str, ...]]):
        self.longest = max(map(len, classes))
        most = _most_of_each(classes)
        self._numbers = _weights(most, self.longest) or {
            letter: _random_numbers(letter) for letter in most
        }

    def of(self, letters: str) -> tuple[int, int, int]:
        """-> the sums of both numbers, and the length, made foreign by a foreign letter."""
        low = high = 0
        length = len(letters)
        for letter in letters:
            if letter not in self._numbers:
                return 0, 0, length + FOREIGN
            low += self._numbers[letter][0]
            high += self._numbers[letter][1]
        return low & 0xFFFF_FFFF_FFFF_FFFF, high & 0xFFFF_FFFF_FFFF_FFFF, length

    def of_all(self, signatures: Sequence[str]) -> Numbers:
        """What `of` gives for each of the dictionary's `signatures`, a row for each."""
        codes = _code_points(signatures)
        weights = np.zeros((2, 1 + codes.max()), np.uint64)
        for letter, pair in self._numbers.items():
            weights[:, ord(letter)] = pair
        lengths = np.fromiter(map(len, signatures), np.int64, len(signatures))
        begins = np.cumsum(lengths + 1) - lengths - 1
        numbers = np.zeros((len(signatures), 3), np.uint64)
        numbers[:, 2] = lengths
        for column, weight in enumerate(weights):
            if weight.any():
                numbers[:, column] = np.add.reduceat(weight[codes], begins)
        return numbers


def _code_points(signatures: Iterable[str]) -> npt.NDArray[np.uint32]:
    """All of them, each followed by a line feed."""
    return np.frombuffer("\n".join((*signatures, "")).encode("utf-32-le"), np.uint32)


def _most_of_each(signatures: Iterable[str]) -> dict[str, int]:
    """Letter -> how many of it a class has at most."""
    codes = _code_points(signatures)
    ends = np.flatnonzero(codes[1:] != codes[:-1])
    most = np.zeros(1 + codes.max(), np.int64)
    np.maximum.at(most, codes[ends], np.diff(ends, prepend=-1))
    most[ord("\n")] = 0
    return {chr(code): int(most[code]) for code in np.flatnonzero(most)}


def _weights(most: Mapping[str, int], longest: int) -> dict[str, tuple[int, int]] | None:
    """Letter -> its weights in both numbers, of which one is 0; None if there are too many."""
    weights = {}
    low, high = 1, 0
    for letter, number in most.items():
        if low and low * longest >= 1 << 64:
            low, high = 0, 1
        if high * longest >= 1 << 64:
            return None
        weights[letter] = low, high
        low, high = low * (number + 1), high * (number + 1)
    return weights


def _random_numbers(letter: str) -> tuple[int, int]:
    digest = hashlib.blake2b(letter.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class Letters(NamedTuple):
    """Code point up to U+FFFF -> what it adds to the two numbers and the length of a word.

    Pages of code points are filled when first met. A snapshot is never changed, so that threads
    may read it while another is made.
    """

    low: Numbers
    high: Numbers
    length: Ints

    @classmethod
    def unknown(cls) -> "Letters":
        return cls(
            np.zeros(_BMP, np.uint64), np.zeros(_BMP, np.uint64), np.full(_BMP, UNKNOWN, np.int64)
        )

    def with_page(self, page: int, numbering: Numbering, normalization: str) -> "Letters":
        filled = Letters(self.low.copy(), self.high.copy(), self.length.copy())
        for code in range(page * PAGE, (page + 1) * PAGE):
            char = chr(code)
            if is_separator(char, normalization):
                filled.length[code] = SEPARATES
            elif normalization == "unicode" and not _is_independent(char):
                filled.length[code] = GENERAL
            else:
                letters = "".join(words(char, normalization))
                low, high, length = numbering.of(letters)
                filled.low[code], filled.high[code], filled.length[code] = low, high, length
        return filled
