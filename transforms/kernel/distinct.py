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
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow

from transforms.columns.tables import COUNTS, counts_table, strings_of
from transforms.kernel import word_loops
from transforms.kernel.fallback import Counted, Part
from transforms.kernel.letter_weights import (
    PAGE,
    is_independent,
    is_plain_letter,
    keeps_place,
)
from transforms.kernel.rereading import RereadingTally
from transforms.kernel.word_loops import NEEDS_SLOW_PATH, NOT_FILLED, SEPARATES
from transforms.kernel.word_table import WordStore, WordTable
from transforms.stages.totals import MAX_COUNTED_LENGTH
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH, is_mark, is_separator, letters_of
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
                char = chr(code)
                spelling = self._spelling(char)
                if isinstance(spelling, int):
                    sizes[code] = spelling
                    continue
                encoded = spelling.encode()
                begins[code], sizes[code] = old.data.size + len(more), len(encoded)
                letters[code] = not is_mark(char) and not all(map(is_mark, spelling))
                more += encoded
            data = np.concatenate([old.data, np.frombuffer(bytes(more), np.uint8)])
            self.spellings = word_loops.Spellings(data, begins, sizes, letters)

    def _spelling(self, char: str) -> str | int:
        if self.text.normalization == "unicode" and is_plain_letter(char):
            return char
        if is_separator(char, self.text.normalization, self.text.punctuation):
            return SEPARATES
        if 0xD800 <= ord(char) < 0xE000:
            return NEEDS_SLOW_PATH
        if self.text.normalization == "unicode" and not (
            is_independent(char) and keeps_place(char)
        ):
            return NEEDS_SLOW_PATH
        return letters_of(char, self.text.normalization)


def spelling_table(text: TextSettings) -> SpellingTable:
    """Returns the table of some settings, which is made on the first call in a process."""
    with _BUILDING:
        return _spelling_table(text)


_BUILDING = threading.Lock()
_spelling_table = functools.lru_cache(_MAX_TABLES)(SpellingTable)


class DistinctTally(RereadingTally):
    """The compiled `transforms.kernel.fallback.Tally` of words. Each thread needs one of its own.

    It counts in a table that fits into the caches of a core, because most occurrences are of few
    words. When that table has many words, they are moved to the store that all threads share.

    Args:
      spellings: how text becomes words.
      store: where words are kept; those of tallies that are merged must be alike.
      min_word_length: shorter words, in code points, are not counted.
      max_distinct: how many distinct words may be in the table.
      max_slow_pieces: see `RereadingTally`.
    """

    def __init__(
        self,
        spellings: SpellingTable,
        store: WordStore,
        min_word_length: int = 1,
        max_distinct: int = 1 << 17,
        max_slow_pieces: int = 1 << 14,
    ):
        super().__init__(max_slow_pieces)
        self._spellings = spellings
        self._store = store
        self._min_word_length = min_word_length
        self._max_distinct = max_distinct
        self._table = WordTable(seed=store.seed)
        self._invalid_bytes = 0

    @property
    def is_full(self) -> bool:
        return self._store.is_full

    def commit(self) -> None:
        super().commit()
        if self._table.size >= self._max_distinct:
            self._move_to_store()

    def merge(self, other: "DistinctTally") -> None:
        other._take_back()
        other._move_to_store()
        if other._store is not self._store:
            for _, table in other._store.drain():
                self._store.add(table)
        self._invalid_bytes += other._invalid_bytes
        other._invalid_bytes = 0

    def drain(self) -> Iterator[Part]:
        self._take_back()
        self._move_to_store()
        invalid_bytes, self._invalid_bytes = self._invalid_bytes, 0
        if invalid_bytes:
            yield lambda: Counted(None, counts_table((), ()), {}, invalid_bytes)
        for bucket, table in self._store.drain():
            yield functools.partial(self._counted, bucket, table)

    def _move_to_store(self) -> None:
        self._store.add(self._table)
        self._table.clear()

    def _read_fast(self, begin: int, stop: int, times: int) -> tuple[int, int, int]:
        table = self._table
        room = 2 * (stop - begin) + word_loops.MAX_SPELLING
        while True:
            table.make_room(room)
            position, table.size, slow, page = word_loops.read_words(
                np.frombuffer(self._pending, np.uint8),
                begin,
                stop,
                self._spellings.by_byte,
                self._spellings.spellings,
                table.arrays,
                table.size,
                np.uint64(times % (1 << 64)),
                self._slow_pieces,
            )
            if position > begin or page >= 0:
                return position, page, slow
            room *= 2  # for a single word, whose letters become many more

    def _add_slow_path(self, pieces: Counter[bytes], times: int) -> None:
        found: Counter[str] = Counter()
        invalid_bytes = 0
        for piece, number in pieces.items():
            in_piece, invalid = Block("", 0, piece).words(self._spellings.text)
            invalid_bytes += number * invalid
            for word in in_piece:
                found[word] += number
        if found:
            encoded = [word.encode() for word in found]
            ends = np.cumsum([0, *map(len, encoded)])
            counts = times * np.fromiter(found.values(), np.int64, len(found))
            self._table.make_room(int(ends[-1]), len(found))
            self._table.add(np.frombuffer(b"".join(encoded), np.uint8), ends, counts)
        self._invalid_bytes += times * invalid_bytes

    def _fill_page(self, page: int) -> None:
        self._spellings.fill_page(page)

    def _counted(self, bucket: int | None, table: WordTable) -> Counted:
        data, ends, counts = table.to_columns()
        lengths = np.empty(counts.size, np.int64)
        word_loops.lengths_of(data, ends, lengths)
        counts = np.where(lengths >= self._min_word_length, counts, 0)
        sums = np.zeros(MAX_COUNTED_LENGTH + 1, np.int64)
        np.add.at(sums, np.minimum(lengths, MAX_COUNTED_LENGTH), counts)
        words_by_length = {int(length): int(sums[length]) for length in np.flatnonzero(sums)}
        columns = pyarrow.table([strings_of(data, ends), pyarrow.array(counts)], COUNTS)
        is_kept = (counts > 0) & (lengths <= MAX_WORD_LENGTH)
        if not is_kept.all():
            columns = columns.filter(pyarrow.array(is_kept))
        return Counted(bucket, columns, words_by_length, 0)
