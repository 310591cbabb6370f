"""Tables of distinct words with their counts, filled by compiled code from text or from columns.

A text that is its own dictionary may have millions of distinct words. They are kept as columns: the
letters of all words in one array, and where each word ends in another.
"""

import secrets

import numpy as np
import numpy.typing as npt

from transforms.columns.tables import Int64Array
from transforms.kernel import word_loops


class WordTable:
    """Distinct words, each with a number, in the order in which they were first added.

    Args:
      capacity: for how many words there is room at first; a power of two.

    Attributes:
      size: how many words there are.
      arrays: the words, for compiled code. Of `counts` only the first `size` are meant.
    """

    def __init__(self, capacity: int = 1 << 12):
        self.size = 0
        self.arrays = word_loops.Words(
            np.empty(capacity * 16, np.uint8),
            np.zeros(capacity + 1, np.int64),
            np.empty(capacity, np.uint64),
            np.full(2 * capacity, -1, np.int32),
            np.zeros(capacity, np.int64),
            np.uint64(secrets.randbits(64)),
        )

    @property
    def bytes_used(self) -> int:
        """The size of all words together, in bytes."""
        return int(self.arrays.ends[self.size])

    def make_room(self, new_bytes: int = 0) -> None:
        """Makes room for so many more bytes of words, and for one more word at least."""
        data, ends, hashes, slots, counts, _ = self.arrays
        wanted = self.bytes_used + new_bytes
        if wanted > data.size:
            grown = np.empty(max(wanted, 2 * data.size), np.uint8)
            grown[: self.bytes_used] = data[: self.bytes_used]
            self.arrays = self.arrays._replace(data=grown)
        if self.size == counts.size:
            self.arrays = self.arrays._replace(
                ends=np.concatenate([ends, np.zeros_like(counts)]),
                hashes=np.concatenate([hashes, np.empty_like(hashes)]),
                slots=np.full(2 * slots.size, -1, np.int32),
                counts=np.concatenate([counts, np.zeros_like(counts)]),
            )
            word_loops.fill_slots(self.arrays, self.size)

    def add(self, data: npt.NDArray[np.uint8], ends: Int64Array, counts: Int64Array) -> Int64Array:
        """Adds words that are columns already.

        Args:
          data: the bytes of the words.
          ends: where each ends, after a number for where the first one begins.
          counts: how often each occurs.

        Returns:
          The number of each in this table.
        """
        numbers = np.empty(counts.size, np.int64)
        longest = int(np.diff(ends).max(initial=0))
        first = 0
        while first < counts.size:
            first, self.size = word_loops.add_words(
                data, ends, counts, first, self.arrays, self.size, numbers
            )
            if first < counts.size:
                self.make_room(longest)
        return numbers

    def find(self, data: npt.NDArray[np.uint8], ends: Int64Array) -> Int64Array:
        """Finds words, given as `add` takes them.

        Returns:
          The number of each in this table, or -1. Other threads may call this meanwhile.
        """
        numbers = np.empty(ends.size - 1, np.int64)
        word_loops.find_words(data, ends, self.arrays, numbers)
        return numbers

    def to_columns(self) -> tuple[npt.NDArray[np.uint8], Int64Array, Int64Array]:
        """Returns the bytes, the ends and the counts of all words."""
        data, ends, _, _, counts, _ = self.arrays
        return data[: self.bytes_used], ends[: self.size + 1], counts[: self.size]
