"""The anagram classes of a dictionary as columns, made in compiled code. Loads the compiler."""

import functools
import threading

import numpy as np
import pyarrow

from transforms.columns.tables import (
    Int64Array,
    UInt64Array,
    letters_and_ends,
    order_of_numbers,
    strings_of,
)
from transforms.dictionary import DictionarySpec
from transforms.kernel import word_loops
from transforms.kernel.letter_weights import LetterWeights
from transforms.kernel.word_table import WordTable

_CODE_POINTS = 0x110000
# How many tables a process keeps.
_MAX_TABLES = 8


class ClassTable:
    """The classes of a dictionary, each with a number. All threads share it.

    Args:
      words: the words of the dictionary, sorted, as an array of large strings.

    Attributes:
      signatures: by class, its signature.
      sizes: by class, how many words it has.
      words: the words, class by class, each class sorted.
    """

    def __init__(self, words: pyarrow.Array):
        letters, ends = letters_and_ends(words)
        sorted_letters = np.empty(ends[-1], np.uint8)
        longest = int(np.diff(ends).max(initial=0))
        word_loops.sort_letters(letters, ends, longest, sorted_letters)
        self._table = WordTable(1 << len(words).bit_length())
        class_of_word = self._table.add(sorted_letters, ends, np.ones(len(words), np.int64))
        self._letters, self._ends, self.sizes = self._table.to_columns()
        self.signatures = strings_of(self._letters, self._ends)
        self.words = words.take(pyarrow.array(order_of_numbers(class_of_word, len(self))))
        self._begins = np.cumsum(self.sizes) - self.sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def find(self, signatures: pyarrow.Array) -> Int64Array:
        """Returns the number of the class that has each of some signatures, or -1."""
        return self._table.find(*letters_and_ends(signatures))

    def members(self, classes: Int64Array) -> tuple[Int64Array, pyarrow.Array]:
        """Returns the words of some classes.

        Returns:
          For each word, which of `classes` it is in; and the words.
        """
        sizes = self.sizes[classes]
        of_word = np.repeat(np.arange(len(classes)), sizes)
        before = np.cumsum(sizes) - sizes  # the words of the classes before it
        rows = np.arange(len(of_word)) - before[of_word] + self._begins[classes][of_word]
        return of_word, self.words.take(pyarrow.array(rows))

    def letter_weights(self, *, positional: bool = True) -> LetterWeights:
        """Returns weights for the letters of the classes, see `LetterWeights`."""
        most = np.zeros(_CODE_POINTS, np.int64)
        word_loops.most_of_each_letter(self._letters, self._ends, most)
        lengths = np.empty(len(self), np.int64)
        word_loops.lengths_of(self._letters, self._ends, lengths)
        by_letter = {chr(code): int(most[code]) for code in np.flatnonzero(most)}
        return LetterWeights(by_letter, int(lengths.max()), positional=positional)

    def sums(self, weights: LetterWeights) -> UInt64Array:
        """Returns what `LetterWeights.sums_of` gives for each class, in its row."""
        sums = np.zeros((len(self), 3), np.uint64)
        low, high = weights.by_code_point(_CODE_POINTS)
        word_loops.sum_letters(self._letters, self._ends, low, high, sums)
        return sums


_BUILDING = threading.Lock()


def class_table(spec: DictionarySpec) -> ClassTable:
    """Returns the classes of a dictionary, which are made on the first call in a process."""
    pinned = spec.pinned()
    with _BUILDING:
        return _class_table(pinned)


@functools.lru_cache(_MAX_TABLES)
def _class_table(spec: DictionarySpec) -> ClassTable:
    return ClassTable(spec.load().words.column())
