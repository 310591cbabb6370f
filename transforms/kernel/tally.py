"""Blocks of UTF-8 text -> how often each anagram class of a dictionary occurs, loops.

The bytes are counted as they are, without making a string: each letter has a number, a word's
number is the sum of its letters' numbers, which does not depend on their order, and a perfect
hash leads from that number to the counter of an anagram class. No count is wrong, as number and
length are compared with those of the class, and are equal only where the letters are:
`transforms.kernel.letter_weights` says why. `transforms.kernel.loops` has the loops.

The table has for each code point the letters that it becomes, which suffices as normalization
changes code points independently, those apart that can compose with one before them. Words
with one of these, with code points beyond U+FFFF or with bytes that are no valid UTF-8 take
the general way: `transforms.text.normalize.words`.
"""

import functools
import threading
from collections import Counter

import numpy as np

from transforms.dictionary import Dictionary, DictionarySpec
from transforms.kernel import loops
from transforms.kernel.letter_weights import PAGE, UNKNOWN, Ints, Letters, Numbering, Numbers
from transforms.kernel.perfect_hash import perfect_hash
from transforms.stages.metrics import LONGEST_TOLD
from transforms.text.encoding import decode
from transforms.text.normalize import words
from transforms.text.signature import signature

_SPILL_SIZE = 1 << 14
_REMEMBERED = 1 << 17
_REMEMBERED_SIZE = 1 << 10


class TallyTable:
    """What the compiled tally needs to know of a dictionary; shared by all threads.

    Attributes:
      slot_of: signature of a class -> its slot, by which a tally counts.
    """

    def __init__(self, dictionary: Dictionary):
        self.normalization = dictionary.spec.normalization
        self._numbering = Numbering(dictionary.classes)
        signatures = list(dictionary.classes)
        self.classes, slots = _in_slots(self._numbering.of_all(signatures))
        self.slot_of = dict(zip(signatures, slots.tolist(), strict=True))
        self._filling = threading.Lock()
        self.letters = Letters.unknown().with_page(0, self._numbering, self.normalization)
        self.effects = loops.ascii_effects(self.letters)

    def fill_page(self, page: int) -> None:
        """Makes the code points of `page` known to tallies that begin from now on."""
        with self._filling:
            if self.letters.length[page * PAGE] == UNKNOWN:
                self.letters = self.letters.with_page(page, self._numbering, self.normalization)


def _in_slots(numbers: Numbers) -> tuple[loops.Classes, Ints]:
    """Numbers and length of each class -> the classes in their slots, and the slots."""
    hashed = perfect_hash(loops.mixed(numbers[:, 0], loops.spread(numbers[:, 1])))
    low, high, length = np.zeros((3, 1 << hashed.bits), np.uint64)
    low[hashed.slots], high[hashed.slots], length[hashed.slots] = numbers.T
    classes = loops.Classes(
        bool(high.any()), hashed.bits, hashed.choices, low, high, length.astype(np.uint32)
    )
    return classes, hashed.slots


_BUILDING = threading.Lock()


def tally_table(spec: DictionarySpec) -> TallyTable:
    """-> the table of a dictionary; made on the first call in a process."""
    with _BUILDING:
        return _tally_table(spec)


@functools.cache
def _tally_table(spec: DictionarySpec) -> TallyTable:
    return TallyTable(spec.load())


class BlockTally:
    """Counts the words of blocks; each thread needs one of its own.

    What `add` counts is pending until `commit` makes it final, so that a block whose counting
    fails half way, or must be done again, leaves no trace.

    Attributes:
      counts: by the slot of a class.
      lengths: words by length in code points; the last has all longer ones too.
      invalid_bytes: bytes left out since they were no valid UTF-8.
    """

    def __init__(self, table: TallyTable, min_word_length: int = 1):
        self._table = table
        self._min_word_length = min_word_length
        self._remembered: dict[bytes, tuple[tuple[int, ...], tuple[int, ...], int]] = {}
        self._pending = loops.Counters(
            counts=np.zeros(table.classes.low.size, np.int64),
            lengths=np.zeros(LONGEST_TOLD + 1, np.int64),
            spilled=np.zeros((_SPILL_SIZE, 2), np.int64),
        )
        self._pending_invalid = 0
        self.counts = np.zeros_like(self._pending.counts)
        self.lengths = np.zeros_like(self._pending.lengths)
        self.invalid_bytes = 0

    def add(self, data: bytes) -> None:
        """Counts the words of `data`, UTF-8 that begins and ends between words.

        Drops what was pending.
        """
        self._pending.counts.fill(0)
        self._pending.lengths.fill(0)
        self._pending_invalid = 0
        table = self._table
        array = np.frombuffer(data, np.uint8)
        position = 0
        while position < array.size:
            position, page, spilled = loops.tally(
                array,
                position,
                self._min_word_length,
                table.effects,
                table.letters,
                table.classes,
                self._pending,
            )
            if spilled:
                pieces = self._pending.spilled[:spilled].tolist()
                self._add_generally(Counter(data[start:stop] for start, stop in pieces))
            if page >= 0:
                table.fill_page(page)

    def commit(self) -> None:
        """Makes final what was added last."""
        self.counts += self._pending.counts
        self.lengths += self._pending.lengths
        self.invalid_bytes += self._pending_invalid

    def merge(self, other: "BlockTally") -> None:
        """Adds what `other`, of the same table, has made final."""
        self.counts += other.counts
        self.lengths += other.lengths
        self.invalid_bytes += other.invalid_bytes

    def counted(self) -> list[tuple[str, int]]:
        """(Signature, count) of each class that occurred."""
        counts = self.counts.tolist()
        return [(key, counts[slot]) for key, slot in self._table.slot_of.items() if counts[slot]]

    def words_by_length(self) -> list[tuple[int, int]]:
        """(Length, number of words); the last length has all longer words."""
        return [(int(n), int(self.lengths[n])) for n in np.flatnonzero(self.lengths)]

    def _add_generally(self, pieces: Counter[bytes]) -> None:
        for piece, occurrences in pieces.items():
            remembered = self._remembered.get(piece)
            if remembered is None:
                remembered = self._classify(piece)
                if len(self._remembered) < _REMEMBERED and len(piece) < _REMEMBERED_SIZE:
                    self._remembered[piece] = remembered
            matches, lengths, invalid = remembered
            for slot in matches:
                self._pending.counts[slot] += occurrences
            for length in lengths:
                self._pending.lengths[length] += occurrences
            self._pending_invalid += occurrences * invalid

    def _classify(self, piece: bytes) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """-> the slots of the words in `piece`, the words' lengths, the number of bad bytes."""
        text, invalid = decode(piece)
        found = [
            word
            for word in words(text, self._table.normalization)
            if len(word) >= self._min_word_length
        ]
        slots = (self._table.slot_of.get(signature(word)) for word in found)
        lengths = tuple(min(len(word), LONGEST_TOLD) for word in found)
        return tuple(slot for slot in slots if slot is not None), lengths, invalid
