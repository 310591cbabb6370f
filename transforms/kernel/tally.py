"""The compiled tally: it counts words by anagram class without making a string of any word.

The bytes of the text are counted directly. Each letter has a weight, and the sum of a word's
weights does not depend on the order of its letters: `transforms.kernel.letter_weights` proves that
this sum, together with the word's length, determines the letters of the word. A perfect hash maps
the sum to the only anagram class to which the word can belong, see
`transforms.kernel.perfect_hash`. The loops are in `transforms.kernel.loops`.

A table says which letters normalization makes of each code point. This is enough for code points
that normalization changes independently of their neighbours, which almost all are. The **slow
path**, which decodes and normalizes a piece of text with the functions of `transforms.text`, takes
the words that have any other code point: one that can compose with the one before it, one beyond
U+FFFF, or bytes that are not valid UTF-8.
"""

import functools
import threading
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow

from transforms.columns.tables import COUNTS
from transforms.dictionary import DictionarySpec
from transforms.kernel import loops
from transforms.kernel.classes import ClassTable, class_table
from transforms.kernel.fallback import Counted, Part
from transforms.kernel.letter_weights import (
    NOT_FILLED,
    PAGE,
    CodePointEffects,
    Int64Array,
    UInt64Array,
)
from transforms.kernel.perfect_hash import perfect_hash
from transforms.kernel.rereading import RereadingTally
from transforms.stages.totals import MAX_COUNTED_LENGTH
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings
from transforms.text.signature import signature

# Longer pieces, in bytes, hardly ever come again.
_MAX_CACHED_SIZE = 1 << 10
# About how many bytes the result of the slow path for a piece takes, besides those of the piece.
_RESULT_BYTES = 300
# How many tables a process keeps.
_MAX_TABLES = 8

# What the slow path finds in a piece: the slots of words, the lengths of all words, invalid bytes.
_SlowResult = tuple[tuple[int, ...], tuple[int, ...], int]


class TallyTable:
    """What the compiled tally needs to know of a dictionary. All threads share it.

    Args:
      dictionary: the dictionary's classes.
      text: how bytes become words, which must be as entries of the dictionary do.

    Attributes:
      dictionary: the same.
      text: the same.
      classes: the dictionary's classes, by slot.
      class_in: by slot, the number of the class in it.
      byte_effects: what bytes contribute to the sums of words.
      code_point_effects: what code points contribute.
    """

    def __init__(self, dictionary: ClassTable, text: TextSettings):
        self.dictionary = dictionary
        self.text = text
        self._weights = dictionary.letter_weights()
        try:
            self.classes, slots = _in_slots(dictionary.sums(self._weights))
        except ValueError:  # in practice, the dictionary was made to have equal hashes
            self._weights = dictionary.letter_weights(positional=False)
            self.classes, slots = _in_slots(dictionary.sums(self._weights))
        self._slots = slots
        self.class_in = np.zeros(self.classes.low.size, np.int64)
        self.class_in[slots] = np.arange(len(slots))
        self._filling = threading.Lock()
        self.code_point_effects = CodePointEffects.empty().with_page(0, self._weights, self.text)
        self.byte_effects = loops.byte_effects(self.code_point_effects)

    def slots_of(self, words: list[str]) -> list[int]:
        """Returns the slots of the classes of those words that have one."""
        keys = pyarrow.array(map(signature, words), pyarrow.large_string())
        found = self.dictionary.find(keys)
        slots: list[int] = self._slots[found[found >= 0]].tolist()
        return slots

    def fill_page(self, page: int) -> None:
        """Fills in the effects of a page of code points, for tallies that begin from now on."""
        with self._filling:
            if self.code_point_effects.length[page * PAGE] == NOT_FILLED:
                self.code_point_effects = self.code_point_effects.with_page(
                    page, self._weights, self.text
                )


def _in_slots(sums: UInt64Array) -> tuple[loops.Classes, Int64Array]:
    """Puts classes into slots.

    Args:
      sums: the low sum, the high sum and the length of each class.

    Returns:
      The classes by slot, and the slot of each class.
    """
    hashed = perfect_hash(loops.mix(sums[:, 0], loops.scramble(sums[:, 1])))
    low, high, length = np.zeros((3, 1 << hashed.bits), np.uint64)
    low[hashed.slots], high[hashed.slots], length[hashed.slots] = sums.T
    classes = loops.Classes(
        bool(high.any()), hashed.bits, hashed.choices, low, high, length.astype(np.uint32)
    )
    return classes, hashed.slots


_BUILDING = threading.Lock()


def tally_table(spec: DictionarySpec, text: TextSettings) -> TallyTable:
    """Returns the table of a dictionary, which is made on the first call in a process."""
    pinned = spec.pinned()
    with _BUILDING:
        return _tally_table(pinned, text)


@functools.lru_cache(_MAX_TABLES)
def _tally_table(spec: DictionarySpec, text: TextSettings) -> TallyTable:
    return TallyTable(class_table(spec), text)


class BlockTally(RereadingTally):
    """The compiled `transforms.kernel.fallback.Tally`. Each thread needs one of its own.

    Args:
      table: the dictionary.
      min_word_length: shorter words, in code points, are not counted.
      max_slow_pieces: see `RereadingTally`.
      max_cached_bytes: how much memory the slow path may use to remember pieces and their results.
    """

    is_full = False

    def __init__(
        self,
        table: TallyTable,
        min_word_length: int = 1,
        max_slow_pieces: int = 1 << 14,
        max_cached_bytes: int = 1 << 25,
    ):
        super().__init__(max_slow_pieces)
        self._table = table
        self._min_word_length = min_word_length
        self._free_cache_bytes = max_cached_bytes
        self._slow_results: dict[bytes, _SlowResult] = {}
        self._counters = loops.Counters(
            counts=np.zeros(table.classes.low.size, np.int64),
            lengths=np.zeros(MAX_COUNTED_LENGTH + 1, np.int64),
            slow_pieces=self._slow_pieces,
        )
        self._invalid_bytes = 0

    def merge(self, other: "BlockTally") -> None:
        self._take_back()
        other._take_back()
        self._counters.counts[:] += other._counters.counts
        self._counters.lengths[:] += other._counters.lengths
        self._invalid_bytes += other._invalid_bytes

    def drain(self) -> Iterator[Part]:
        self._take_back()
        counts, lengths, _ = self._counters
        slots = np.flatnonzero(counts != 0)  # much faster than with the counts themselves
        keys = self._table.dictionary.signatures.take(pyarrow.array(self._table.class_in[slots]))
        columns = pyarrow.table([keys, pyarrow.array(counts[slots])], COUNTS)
        words_by_length = {int(length): int(lengths[length]) for length in np.flatnonzero(lengths)}
        counted = Counted(None, columns, words_by_length, self._invalid_bytes)
        counts[slots] = 0  # with groups there are many small texts
        lengths.fill(0)
        self._invalid_bytes = 0
        yield lambda: counted

    def _read_fast(self, begin: int, stop: int, times: int) -> tuple[int, int, int]:
        table = self._table
        position, page, slow = loops.tally(
            np.frombuffer(self._pending, np.uint8)[:stop],
            begin,
            times,
            self._min_word_length,
            table.byte_effects,
            table.code_point_effects,
            table.classes,
            self._counters,
        )
        return position, page, slow

    def _add_slow_path(self, pieces: Counter[bytes], times: int) -> None:
        results = [(self._slow_result(piece), number) for piece, number in pieces.items()]
        for (slots, lengths, invalid_bytes), number in results:
            for slot in slots:
                self._counters.counts[slot] += times * number
            for length in lengths:
                self._counters.lengths[length] += times * number
            self._invalid_bytes += times * number * invalid_bytes

    def _fill_page(self, page: int) -> None:
        self._table.fill_page(page)

    def _slow_result(self, piece: bytes) -> _SlowResult:
        result = self._slow_results.get(piece)
        if result is None:
            result = self._count_slowly(piece)
            size = len(piece) + _RESULT_BYTES
            if len(piece) < _MAX_CACHED_SIZE and size <= self._free_cache_bytes:
                self._free_cache_bytes -= size
                self._slow_results[piece] = result
        return result

    def _count_slowly(self, piece: bytes) -> _SlowResult:
        found, invalid_bytes = Block("", 0, piece).words(self._table.text, self._min_word_length)
        lengths = tuple(min(len(word), MAX_COUNTED_LENGTH) for word in found)
        return tuple(self._table.slots_of(found)), lengths, invalid_bytes
