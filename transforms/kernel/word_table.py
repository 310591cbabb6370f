"""Tables of distinct words with their counts, filled by compiled code from text or from columns.

In corpus mode a text may have millions of distinct words. They are kept as columns: the letters of
all words in one array, and the hash, position, size and count of each word in a row of another.
"""

import secrets
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from transforms.columns.buckets import HASH_OF_BYTE
from transforms.columns.tables import Int64Array
from transforms.kernel import word_loops
from transforms.kernel.growing_array import GrowingArray

_NO_WORDS = np.zeros(1, np.int64)


class WordTable:
    """Distinct words, each with a number, in the order in which they were first added.

    Args:
      capacity: for how many words there is room at first; a power of two.
      seed: of all hashes; by default a random number.

    Attributes:
      size: how many words there are.
    """

    def __init__(self, capacity: int = 1 << 12, seed: int | None = None):
        self.size = 0
        self._seed = np.uint64(secrets.randbits(64) if seed is None else seed)
        self._data = GrowingArray(16 * capacity, np.uint8)
        self._entries = GrowingArray(4 * capacity, np.uint64)
        self._slots = GrowingArray(2 * capacity, np.int32)
        self._slots.values.fill(-1)

    @property
    def arrays(self) -> word_loops.Words:
        """The words, for compiled code. Of the entries only the first `size` are meant."""
        entries = self._entries.values.reshape(-1, 4)
        return word_loops.Words(self._data.values, entries, self._slots.values, self._seed)

    @property
    def bytes_used(self) -> int:
        """The size of all words together, in bytes."""
        if not self.size:
            return 0
        _, begin, size, _ = self.arrays.entries[self.size - 1].tolist()
        return int(begin + size)

    @property
    def counts(self) -> Int64Array:
        """How often each word was read."""
        return self.arrays.entries[: self.size, word_loops.COUNT].astype(np.int64)

    @property
    def nbytes(self) -> int:
        """How much memory the table takes, in bytes."""
        return sum(array.nbytes for array in self.arrays[:3])

    def clear(self) -> None:
        """Removes all words; the memory is kept."""
        self._slots.values.fill(-1)
        self.size = 0

    def make_room(self, new_bytes: int = 0, new_words: int = 1) -> None:
        """Makes room for so many more bytes of words, and so many more words."""
        used = self.bytes_used
        room = self._data.values.size
        if used + new_bytes > room:
            self._data.grow(max(used + new_bytes, 2 * room))
        if self.size + new_words > self._entries.values.size // 4:
            capacity = 1 << (self.size + new_words - 1).bit_length()
            self._entries.grow(4 * capacity)
            self._slots.grow(2 * capacity)
            self._slots.values.fill(-1)
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

    def add_entries(self, other: "WordTable", numbers: Int64Array, new_bytes: int) -> None:
        """Adds words of a table with the same seed.

        Args:
          other: the table.
          numbers: which of its words are added.
          new_bytes: their size, in bytes.
        """
        self.make_room(new_bytes, len(numbers))
        self.size = word_loops.add_entries(other.arrays, numbers, self.arrays, self.size)

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
        sizes = self.arrays.entries[: self.size, word_loops.SIZE].astype(np.int64)
        ends = np.concatenate([_NO_WORDS, np.cumsum(sizes)])
        return self.arrays.data[: self.bytes_used], ends, self.counts


class WordStore:
    """The words of all threads that count a text together, in buckets, each a table of its own.

    Args:
      buckets: how many there are, see `transforms.columns.buckets`.
      max_bytes: when it takes more memory than this, it is full.
      seed: of all hashes; by default a random number.

    Attributes:
      seed: tables of which the words are to be added need the same.
    """

    def __init__(self, buckets: int, max_bytes: int, seed: int | None = None):
        self.seed = secrets.randbits(64) if seed is None else seed
        self._max_bytes = max_bytes
        self._tables = [self._empty_table() for _ in range(buckets)]
        self._locks = [threading.Lock() for _ in range(buckets)]

    def like(self, *, buckets: int) -> "WordStore":
        """Returns an empty store of which the words can be added to this one, and vice versa."""
        return WordStore(buckets, self._max_bytes, self.seed)

    def _empty_table(self) -> WordTable:
        return WordTable(1, self.seed)

    @property
    def is_full(self) -> bool:
        """Whether it should be drained before more is added, to keep memory bounded."""
        return sum(table.nbytes for table in self._tables) > self._max_bytes

    def add(self, words: WordTable) -> None:
        """Adds all words of a table that occur. Several threads may do so at once."""
        buckets = len(self._tables)
        of_word, numbers = np.empty(words.size, np.uint64), np.empty(words.size, np.int64)
        begins, sizes = np.zeros(buckets + 1, np.int64), np.zeros(buckets, np.uint64)
        word_loops.group_by_bucket(
            words.arrays, words.size, HASH_OF_BYTE, of_word, begins, sizes, numbers
        )
        for bucket in np.flatnonzero(sizes):
            in_bucket = numbers[begins[bucket] : begins[bucket + 1]]
            with self._locks[bucket]:
                self._tables[bucket].add_entries(words, in_bucket, int(sizes[bucket]))

    def drain(self) -> Iterator[tuple[int | None, WordTable]]:
        """Yields each bucket that has words, with its table, and begins anew.

        The only bucket of a store is None: its words are those of any.
        """
        for bucket, lock in enumerate(self._locks):
            with lock:
                table, self._tables[bucket] = self._tables[bucket], self._empty_table()
            if table.size:
                yield bucket if len(self._locks) > 1 else None, table
