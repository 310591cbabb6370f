"""The compiled count of distinct words, for a text that is its own dictionary.

A table says what normalization makes of each code point. As in `transforms.kernel.tally`, this is
enough for code points that normalization changes independently of their neighbours; here their
order in the word must not change either. The **slow path**, which decodes and normalizes a piece
of text with the functions of `transforms.text`, takes the words that have any other code point: one
that composes or changes places with the one before it, one beyond U+FFFF, or bytes that are not
valid UTF-8.
"""

import threading
import unicodedata
from collections import Counter

import numpy as np

from transforms.kernel import word_loops
from transforms.kernel.letter_weights import _is_independent
from transforms.kernel.word_loops import NEEDS_SLOW_PATH, NOT_FILLED, SEPARATES
from transforms.kernel.word_table import WordTable
from transforms.text.blocks import Block
from transforms.text.normalize import is_separator, words

_PAGE = 256
_BMP = 1 << 16


class SpellingTable:
    """What normalization makes of each code point. All threads share it.

    Args:
      normalization: how text becomes words.

    Attributes:
      by_byte: what each byte of a text becomes, see `transforms.kernel.word_loops`.
      spellings: what code points become, as far as their pages are filled.
    """

    def __init__(self, normalization: str):
        self.normalization = normalization
        self.spellings = word_loops.Spellings(
            np.zeros(0, np.uint8),
            np.zeros(_BMP, np.int32),
            np.full(_BMP, NOT_FILLED, np.int8),
            np.zeros(_BMP, np.uint8),
        )
        self._filling = threading.Lock()
        self.by_byte = np.full(256, word_loops.BEYOND_ASCII, np.uint8)
        for code in range(0x80):
            kept = "".join(words(chr(code), normalization))
            if is_separator(chr(code), normalization):
                self.by_byte[code] = word_loops.SEPARATOR
            else:
                self.by_byte[code] = ord(kept) if kept else word_loops.DELETED

    def fill_page(self, page: int) -> None:
        """Fills in a page of code points, for what is read from now on."""
        with self._filling:
            old = self.spellings
            if old.sizes[page * _PAGE] != NOT_FILLED:
                return
            begins, sizes, letters = old.begins.copy(), old.sizes.copy(), old.letters.copy()
            more = bytearray()
            for code in range(page * _PAGE, (page + 1) * _PAGE):
                spelling = self._spelling(chr(code))
                if isinstance(spelling, int):
                    sizes[code] = spelling
                    continue
                begins[code], sizes[code] = old.data.size + len(more), len(spelling.encode())
                letters[code] = any(unicodedata.category(char)[0] in "LN" for char in spelling)
                more += spelling.encode()
            data = np.concatenate([old.data, np.frombuffer(bytes(more), np.uint8)])
            self.spellings = word_loops.Spellings(data, begins, sizes, letters)

    def _spelling(self, char: str) -> str | int:
        if is_separator(char, self.normalization):
            return SEPARATES
        if 0xD800 <= ord(char) < 0xE000:
            return NEEDS_SLOW_PATH
        if self.normalization == "unicode" and not (_is_independent(char) and _keeps_place(char)):
            return NEEDS_SLOW_PATH
        return "".join(words(char, self.normalization))


def _keeps_place(char: str) -> bool:
    """Returns whether normalization leaves `char` behind whatever precedes it."""
    decomposed = unicodedata.normalize("NFKD", char)
    return unicodedata.combining(decomposed[0]) == 0


class DistinctTally:
    """Counts the distinct words of blocks. Each thread needs one of its own.

    What is added is pending until it is committed, see `transforms.kernel.fallback.Tally`.

    Args:
      spellings: how text becomes words.
      max_slow_pieces: how many pieces of text the loops may leave to the slow path before they
        return, so that it can read them.

    Attributes:
      table: the distinct words; its counts are what is pending.
      counts: by number of the word, how often it occurred in what is committed.
      invalid_bytes: how many bytes were deleted because they are not valid UTF-8.
    """

    def __init__(self, spellings: SpellingTable, max_slow_pieces: int = 1 << 14):
        self._spellings = spellings
        self._slow = np.zeros((max_slow_pieces, 2), np.int64)
        self._pending_invalid = 0
        self.table = WordTable(1 << 16)
        self.counts = np.zeros(0, np.int64)
        self.invalid_bytes = 0

    def add(self, data: bytes) -> None:
        """Counts words, after dropping what is pending.

        Args:
          data: a text in UTF-8 that begins and ends between words.
        """
        table = self.table
        table.arrays.counts.fill(0)
        self._pending_invalid = 0
        text = np.frombuffer(data, np.uint8)
        position = 0
        table.make_room(text.size + word_loops.MAX_SPELLING)
        while position < text.size:
            before = position
            position, table.size, slow, page = word_loops.read_words(
                text,
                position,
                self._spellings.by_byte,
                self._spellings.spellings,
                table.arrays,
                table.size,
                self._slow,
            )
            if slow:
                pieces = self._slow[:slow].tolist()
                self._add_slow_path(Counter(data[start:stop] for start, stop in pieces))
            if page >= 0:
                self._spellings.fill_page(page)
            elif position < text.size:
                table.make_room(2 * (text.size - position) + 16 * word_loops.MAX_SPELLING)

    def commit(self) -> None:
        """Adds what is pending to the counts for good."""
        pending = self.table.arrays.counts[: self.table.size]
        self.counts = np.concatenate(
            [self.counts, np.zeros(self.table.size - self.counts.size, np.int64)]
        )
        self.counts += pending
        self.invalid_bytes += self._pending_invalid

    def _add_slow_path(self, pieces: Counter[bytes]) -> None:
        found: Counter[str] = Counter()
        for piece, occurrences in pieces.items():
            in_piece, invalid = Block("", 0, piece).words(self._spellings.normalization)
            self._pending_invalid += occurrences * invalid
            for word in in_piece:
                found[word] += occurrences
        if found:
            encoded = [word.encode() for word in found]
            ends = np.cumsum([0, *map(len, encoded)])
            counts = np.fromiter(found.values(), np.int64, len(found))
            self.table.add(np.frombuffer(b"".join(encoded), np.uint8), ends, counts)
