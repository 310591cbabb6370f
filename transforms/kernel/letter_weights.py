"""Letter weights: numbers whose sum over the letters of a word determines which letters it has.

The compiled tally makes no string of a word. It adds up the weights of the word's letters, which
does not depend on their order, and compares the sums and the word's length with those of the
anagram classes of the dictionary. No word is counted for a wrong class, for the following reason.

**The weights.** Take the dictionary's letters in any order. The first one weighs 1. Each following
letter weighs m + 1 times as much as the letter before it, where m is the greatest number of times
that any class has the letter before. The sum of a class is thus a number in a positional system:
each letter has a place, and the digit in it is how often the class has the letter. No digit is too
great for its place, so different classes have different sums.

**Words of the text** may have a letter more than m times, so that its digit does not fit. But m + 1
of a letter weigh as much as one of the next letter. Take away the ones, add the other, and repeat
this wherever a digit does not fit: the sum remains the same, and with each step the word becomes
shorter, as m is 1 or more. In the end either all digits fit, and the letters are those of the only
class that has this sum; or there is still too much of the last letter, and the sum is greater than
that of any class. So a word that has the sum of a class has the letters of the class, or it is
longer than the class. The tally compares lengths too, which excludes the latter.

**Overflow.** The sum of a word that is longer than all classes may overflow: its length differs
from theirs anyway. The sums of all other words do not, since a letter is given a weight only if
the weight, times the length of the longest class, is below 2**64. The letters for which there is
no such weight begin again at 1, in a second sum; a letter adds nothing to the sum that is not its
own. The argument above holds for each of the two sums, which are called low and high.

**Large alphabets.** Both sums together have places for some sixty letters; the exact number depends
on how often a class has a letter. A dictionary with more letters is given random weights instead,
of 64 bits in each sum. They are drawn anew for each table, so nobody who writes a text or a
dictionary can know them. Two words of one length and other letters then have equal sums with a
probability of 2**-96 at most: the numbers of some letter differ by less than 2**17, so that at most
16 bits of each sum are lost. This is far less than that of an error in the machine's memory.
"""

import functools
import secrets
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.text.normalize import is_separator, is_word_part, letters_of, words
from transforms.text.settings import TextSettings

# In the place of the number of letters that a code point becomes: it separates words; it needs the
# slow path; its page of the table is not filled yet.
SEPARATOR = -1
SLOW_PATH = -2
NOT_FILLED = -3
#: Added to the length of a word by each letter that no class has, so that it matches none.
NOT_IN_DICTIONARY = 1 << 40
#: Added to the length of a code point of which only marks become.
MARKS = 1 << 39

#: Code points in a page of `CodePointEffects`.
PAGE = 256
_BMP = 1 << 16

UInt64Array = npt.NDArray[np.uint64]
Int64Array = npt.NDArray[np.int64]


class LetterWeights:
    """The two weights of each letter of a dictionary.

    Args:
      most: for each letter, the greatest number of times that a class has it.
      max_length: the length of the longest class.
      positional: whether weights may be positional, if there is room for them.

    Attributes:
      max_length: the same.
    """

    def __init__(self, most: Mapping[str, int], max_length: int, *, positional: bool = True):
        self.max_length = max_length
        weights = _positional_weights(most, max_length) if positional else None
        self._weights = weights or {
            letter: (secrets.randbits(64), secrets.randbits(64)) for letter in most
        }

    def sums_of(self, letters: str) -> tuple[int, int, int]:
        """Adds up the weights of some letters.

        Returns:
          Their low and high sum, modulo 2**64, and their number. If one of them is in no class,
          the sums are 0, and NOT_IN_DICTIONARY is added to the number.
        """
        low = high = 0
        length = len(letters)
        for letter in letters:
            if letter not in self._weights:
                return 0, 0, length + NOT_IN_DICTIONARY
            low += self._weights[letter][0]
            high += self._weights[letter][1]
        return low & 0xFFFF_FFFF_FFFF_FFFF, high & 0xFFFF_FFFF_FFFF_FFFF, length

    def by_code_point(self, code_points: int) -> UInt64Array:
        """Returns the low and the high weight of each of so many code points, in two rows."""
        weights = np.zeros((2, code_points), np.uint64)
        for letter, pair in self._weights.items():
            weights[:, ord(letter)] = pair
        return weights


def _positional_weights(
    most: Mapping[str, int], max_length: int
) -> dict[str, tuple[int, int]] | None:
    """Returns the weights of each letter, of which one is 0; None if there are too many letters."""
    weights = {}
    low, high = 1, 0
    for letter, number in most.items():
        if low and low * max_length >= 1 << 64:
            low, high = 0, 1
        if high * max_length >= 1 << 64:
            return None
        weights[letter] = low, high
        low, high = low * (number + 1), high * (number + 1)
    return weights


class CodePointEffects(NamedTuple):
    """What each code point up to U+FFFF adds to the sums and to the length of a word.

    The table is filled by pages, when a code point of a page is first met. Filling makes a new
    table and never changes one, so that other threads may go on reading it.

    Attributes:
      low: by code point, the low weights of the letters that normalization makes of it, added up.
      high: their high weights, added up.
      length: their number, with NOT_IN_DICTIONARY added if a letter is in no class, and MARKS if
        all of them are marks; or else SEPARATOR, SLOW_PATH or NOT_FILLED.
    """

    low: UInt64Array
    high: UInt64Array
    length: Int64Array

    @classmethod
    def empty(cls) -> "CodePointEffects":
        """Returns a table without any page."""
        return cls(
            np.zeros(_BMP, np.uint64),
            np.zeros(_BMP, np.uint64),
            np.full(_BMP, NOT_FILLED, np.int64),
        )

    def with_page(
        self, page: int, weights: LetterWeights, text: TextSettings
    ) -> "CodePointEffects":
        """Returns a copy of the table in which one more page is filled."""
        filled = CodePointEffects(self.low.copy(), self.high.copy(), self.length.copy())
        for code in range(page * PAGE, (page + 1) * PAGE):
            char = chr(code)
            if text.normalization == "unicode" and is_plain_letter(char):
                sums = weights.sums_of(char)
                filled.low[code], filled.high[code], filled.length[code] = sums
            elif is_separator(char, text.normalization, text.punctuation):
                filled.length[code] = SEPARATOR
            elif text.normalization == "unicode" and not is_independent(char):
                filled.length[code] = SLOW_PATH
            else:
                letters = letters_of(char, text.normalization)
                low, high, length = weights.sums_of(letters)
                if letters and not words(char, text.normalization):
                    length += MARKS
                filled.low[code], filled.high[code], filled.length[code] = low, high, length
        return filled


def is_plain_letter(char: str) -> bool:
    """Returns whether ``unicode`` makes nothing but itself of a letter, whatever precedes it.

    This tells quickly what `is_independent` and `letters_of` would about most letters without case,
    such as the many thousands of Chinese and Korean.
    """
    if unicodedata.category(char) != "Lo" or not unicodedata.is_normalized("NFKC", char):
        return False
    first = unicodedata.normalize("NFKD", char)[0]
    is_behind = not unicodedata.combining(first) and first not in _composing()
    return is_behind and char.casefold() == char


def is_independent(char: str) -> bool:
    """Returns whether ``unicode`` makes the same letters of `char` whatever precedes it."""
    return not any(map(_begins_composing, _forms(char)))


def keeps_place(char: str) -> bool:
    """Returns whether ``unicode`` leaves the letters of `char` behind whatever precedes it."""
    decomposed = (unicodedata.normalize("NFKD", form) for form in _forms(char))
    return not any(unicodedata.combining(form[0]) for form in decomposed if form)


def _forms(char: str) -> set[str]:
    """Returns what ``unicode`` makes of `char`, step by step."""
    composed = unicodedata.normalize("NFC", char)
    kept = "".join(filter(is_word_part, composed))
    folded = unicodedata.normalize("NFKC", kept).casefold()
    return {composed, kept, folded, letters_of(char)}


def _begins_composing(text: str) -> bool:
    """Returns whether a code point at the beginning can compose with one before the text."""
    for char in unicodedata.normalize("NFKD", text):
        if char in _composing():
            return True
        if not unicodedata.combining(char):
            return False
    return False


@functools.cache
def _composing() -> frozenset[str]:
    """Returns the code points that can compose with one before them.

    These are the second code points of canonical decompositions, and the vowels and final
    consonants of Hangul, which compose by a rule of their own.
    """
    seconds = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for code in range(0x20000):
        decomposition = unicodedata.decomposition(chr(code))
        if " " in decomposition and not decomposition.startswith("<"):
            seconds.add(chr(int(decomposition.split()[1], 16)))
    return frozenset(seconds)
