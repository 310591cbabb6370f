"""Letters as numbers: what each code point adds to the number of the word it stands in.

`transforms.kernel` says what the numbers are for, and why they tell classes apart.
"""

import functools
import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.text import is_separator, is_word_part, words

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
    return not any(_begins_composing(form) for form in (composed, kept, folded))


def _begins_composing(text: str) -> bool:
    for char in unicodedata.normalize("NFKD", text):
        if char in _composing():
            return True
        if not unicodedata.combining(char):
            return False
    return False


class Numbering:
    """Letter -> its two 64-bit numbers, and how long a word they tell apart for certain."""

    def __init__(self, classes: Mapping[str, tuple[str, ...]]):
        self.longest = max(map(len, classes))
        alphabet = sorted(set().union(*classes))
        if len(alphabet) <= 26 and all(map(_fits, classes)):
            self.exact_length = min(self.longest, 31)
            self._numbers = {
                letter: (1 << 5 * (index // 2), 0) if index % 2 else (0, 1 << 5 * (index // 2))
                for index, letter in enumerate(alphabet)
            }
        else:
            self.exact_length = self.longest
            self._numbers = {letter: _random_numbers(letter) for letter in alphabet}

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

    def of_all(self, signatures: Sequence[str]) -> tuple[Numbers, Numbers, Ints]:
        """What `of` gives for each of the dictionary's `signatures`, as columns."""
        codes = np.frombuffer("".join(signatures).encode("utf-32-le"), np.uint32)
        numbers = np.zeros((1 + max(map(ord, self._numbers)), 2), np.uint64)
        for letter, pair in self._numbers.items():
            numbers[ord(letter)] = pair
        lengths = np.fromiter(map(len, signatures), np.int64, len(signatures))
        sums = np.add.reduceat(numbers[codes], np.cumsum(lengths) - lengths)
        return sums[:, 0].copy(), sums[:, 1].copy(), lengths


def _fits(signature: str) -> bool:
    """Whether no letter of `signature` occurs more often than 4 bits can tell."""
    return len(signature) < 16 or max(Counter(signature).values()) < 16


def _random_numbers(letter: str) -> tuple[int, int]:
    digest = hashlib.blake2b(letter.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


@dataclass(frozen=True)
class Letters:
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
