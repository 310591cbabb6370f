"""The compiled count of distinct words, for a text that is its own dictionary.

A table says what normalization makes of each code point. As in `transforms.kernel.tally`, this is
enough for code points that normalization changes independently of their neighbours; here their
order in the word must not change either. The **slow path**, which decodes and normalizes a piece
of text with the functions of `transforms.text`, takes the words that have any other code point: one
that composes or changes places with the one before it, one beyond U+FFFF, or bytes that are not
valid UTF-8; and words that begin with a mark, which some rules delete.

The result is exact: what the table has for a code point is what normalization makes of it in any
word that has no code point of the slow path; and words are compared by their bytes, not by hashes.
"""

import functools
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow

from transforms.columns.tables import COUNTS, counts_table, strings_of
from transforms.kernel import word_loops
from transforms.kernel.fallback import Counted
from transforms.kernel.letter_weights import PAGE, is_independent
from transforms.kernel.word_loops import NEEDS_SLOW_PATH, NOT_FILLED, SEPARATES
from transforms.kernel.word_table import WordStore, WordTable
from transforms.stages.totals import MAX_COUNTED_LENGTH
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH, is_separator, letters_of, words
from transforms.text.settings import TextSettings

_BMP = 1 << 16
# How many tables of spellings a process keeps.
_MAX_TABLES = 8


class SpellingTable:
    """What normalization makes of each code point. All threads share it.

    Args:
      text: how bytes become words.

    Attributes:
      text: the same.
      by_byte: what each byte of a text becomes, see `transforms.kernel.word_loops`.
      spellings: what code points become, as far as their pages are filled.
    """

    def __init__(self, text: TextSettings):
        self.text = text
        self.spellings = word_loops.Spellings(
            np.zeros(0, np.uint8),
            np.zeros(_BMP, np.int32),
            np.full(_BMP, NOT_FILLED, np.int8),
            np.zeros(_BMP, np.uint8),
        )
        self._filling = threading.Lock()
        self.by_byte = np.full(256, word_loops.BEYOND_ASCII, np.uint8)
        for code in range(0x80):
            if is_separator(chr(code), text.normalization, text.punctuation):
                self.by_byte[code] = word_loops.SEPARATOR
            else:
                letter = letters_of(chr(code), text.normalization)
                self.by_byte[code] = ord(letter) if letter else word_loops.DELETED

    def fill_page(self, page: int) -> None:
        """Fills in a page of code points, for what is read from now on."""
        with self._filling:
            old = self.spellings
            if old.sizes[page * PAGE] != NOT_FILLED:
                return
            begins, sizes, letters = old.begins.copy(), old.sizes.copy(), old.letters.copy()
            more = bytearray()
            for code in range(page * PAGE, (page + 1) * PAGE):
                spelling = self._spelling(chr(code))
                if isinstance(spelling, int):
                    sizes[code] = spelling
                    continue
                begins[code], sizes[code] = old.data.size + len(more), len(spelling.encode())
                letters[code] = bool(words(chr(code), self.text.normalization))
                more += spelling.encode()
            data = np.concatenate([old.data, np.frombuffer(bytes(more), np.uint8)])
            self.spellings = word_loops.Spellings(data, begins, sizes, letters)

    def _spelling(self, char: str) -> str | int:
        if is_separator(char, self.text.normalization, self.text.punctuation):
            return SEPARATES
        if 0xD800 <= ord(char) < 0xE000:
            return NEEDS_SLOW_PATH
        if self.text.normalization == "unicode" and not (
            is_independent(char) and _keeps_place(char)
        ):
            return NEEDS_SLOW_PATH
        return letters_of(char, self.text.normalization)


def _keeps_place(char: str) -> bool:
    """Returns whether normalization leaves `char` behind whatever precedes it."""
    decomposed = unicodedata.normalize("NFKD", char)
    return unicodedata.combining(decomposed[0]) == 0


def spelling_table(text: TextSettings) -> SpellingTable:
    """Returns the table of some settings, which is made on the first call in a process."""
    with _BUILDING:
        return _spelling_table(text)


_BUILDING = threading.Lock()
_spelling_table = functools.lru_cache(_MAX_TABLES)(SpellingTable)


class DistinctTally:
    """The compiled `transforms.kernel.fallback.Tally` of words. Each thread needs one of its own.

    It counts in a table that fits into the caches of a core, because most occurrences are of few
    words. When that table has many words, they are moved to the store that all threads share.

    Args:
      spellings: how text becomes words.
      store: where words are kept; those of tallies that are merged must be alike.
      min_word_length: shorter words, in code points, are not counted.
      max_distinct: how many distinct words may be in the table.
      max_slow_pieces: how many pieces of text the loops may leave to the slow path before they
        return, so that it can read them.
    """

    def __init__(
        self,
        spellings: SpellingTable,
        store: WordStore,
        min_word_length: int = 1,
        max_distinct: int = 1 << 17,
        max_slow_pieces: int = 1 << 14,
    ):
        self._spellings = spellings
        self._store = store
        self._min_word_length = min_word_length
        self._max_distinct = max_distinct
        self._slow = np.zeros((max_slow_pieces, 2), np.int64)
        self._table = WordTable(seed=store.seed)
        self._invalid_bytes = 0
        self._pending, self._pending_bytes = b"", 0

    @property
    def is_full(self) -> bool:
        return self._store.is_full

    def add(self, data: bytes) -> None:
        self._drop_pending()
        self._pending = data
        self._read(len(data), 1)

    def commit(self) -> None:
        self._pending, self._pending_bytes = b"", 0
        if self._table.size >= self._max_distinct:
            self._move_to_store()

    def merge(self, other: "DistinctTally") -> None:
        other._drop_pending()
        other._move_to_store()
        if other._store is not self._store:
            for _, table in other._store.drain():
                self._store.add(table)
        self._invalid_bytes += other._invalid_bytes
        other._invalid_bytes = 0

    def drain(self) -> Iterator[Counted]:
        self._drop_pending()
        self._move_to_store()
        invalid_bytes, self._invalid_bytes = self._invalid_bytes, 0
        if invalid_bytes:
            yield Counted(None, counts_table((), ()), {}, invalid_bytes)
        for bucket, table in self._store.drain():
            yield self._counted(bucket, table)

    def _move_to_store(self) -> None:
        self._store.add(self._table)
        self._table.clear()

    def _drop_pending(self) -> None:
        """Takes back what was counted since the last commit, by reading it once more."""
        if self._pending_bytes:
            self._read(self._pending_bytes, -1)
        self._pending, self._pending_bytes = b"", 0

    def _read(self, stop: int, sign: int) -> None:
        """Reads the first bytes of the pending text, and adds 1 or -1 for each word."""
        table = self._table
        text = np.frombuffer(self._pending, np.uint8)
        position = 0
        while position < stop:
            table.make_room(2 * (stop - position) + word_loops.MAX_SPELLING)
            position, table.size, slow, page = word_loops.read_words(
                text,
                position,
                stop,
                self._spellings.by_byte,
                self._spellings.spellings,
                table.arrays,
                table.size,
                np.uint64(sign % (1 << 64)),
                self._slow,
            )
            if slow:
                pieces = self._slow[:slow].tolist()
                self._add_slow_path(
                    Counter(self._pending[start:end] for start, end in pieces), sign
                )
            self._pending_bytes = position
            if page >= 0:
                self._spellings.fill_page(page)

    def _add_slow_path(self, pieces: Counter[bytes], sign: int) -> None:
        found: Counter[str] = Counter()
        for piece, occurrences in pieces.items():
            in_piece, invalid = Block("", 0, piece).words(self._spellings.text)
            self._invalid_bytes += sign * occurrences * invalid
            for word in in_piece:
                found[word] += sign * occurrences
        if found:
            encoded = [word.encode() for word in found]
            ends = np.cumsum([0, *map(len, encoded)])
            counts = np.fromiter(found.values(), np.int64, len(found))
            self._table.add(np.frombuffer(b"".join(encoded), np.uint8), ends, counts)

    def _counted(self, bucket: int | None, table: WordTable) -> Counted:
        data, ends, counts = table.to_columns()
        lengths = np.empty(counts.size, np.int64)
        word_loops.lengths_of(data, ends, lengths)
        counts = np.where(lengths >= self._min_word_length, counts, 0)
        present, numbers = np.unique(np.minimum(lengths, MAX_COUNTED_LENGTH), return_inverse=True)
        sums = np.zeros(present.size, np.int64)
        np.add.at(sums, numbers, counts)
        of_length = zip(present.tolist(), sums.tolist(), strict=True)
        words_by_length = {length: number for length, number in of_length if number}
        columns = pyarrow.table([strings_of(data, ends), pyarrow.array(counts)], COUNTS)
        is_kept = (counts > 0) & (lengths <= MAX_WORD_LENGTH)
        if not is_kept.all():
            columns = columns.filter(pyarrow.array(is_kept))
        return Counted(bucket, columns, words_by_length, 0)
