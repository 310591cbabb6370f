"""Blocks of UTF-8 text -> how often each anagram class of a dictionary occurs, compiled.

One pass over the bytes, without making a string: every letter has a 128-bit number, a word's
number is the sum of its letters' numbers, which does not depend on their order, and a hash
table leads from that number to the counter of the anagram class.

Why no count is wrong: where the dictionary's alphabet has up to 26 letters, as in English, the
number is the word's letters themselves. In each half of it 13 letters count their occurrences,
12 in 5 bits and one in the 4 bits at the top. In a word of up to 31 letters no 5 bits overflow.
Should the 4 bits overflow, the number tells of 16 letters less than the word's length, and so
differs from the number of every class of that length. Equal length and number thus mean equal
letters. Longer words take the general way. With a larger alphabet a letter's number is 128
random bits: two given classes of one length then share a number with a probability of about
2**-120, and no test or memory is as reliable as that.

The table has for each code point the letters that it becomes, which suffices as normalization
changes code points independently, those apart that can compose with one before them. Words
with one of these, with code points beyond U+FFFF or with bytes that are no valid UTF-8 take
the general way: `transforms.text.words`.
"""

import functools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.dictionary import Dictionary, DictionarySpec
from transforms.encoding import decode
from transforms.metrics import LONGEST_TOLD
from transforms.numbering import (
    FOREIGN,
    GENERAL,
    PAGE,
    SEPARATES,
    UNKNOWN,
    Ints,
    Letters,
    Numbering,
    Numbers,
)
from transforms.signature import signature
from transforms.text import words

_SPILL_SIZE = 1 << 14
_REMEMBERED = 1 << 17
_REMEMBERED_SIZE = 1 << 10
_MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


class TallyTable:
    """What the compiled tally needs to know of a dictionary; shared by all threads.

    Attributes:
      signatures: of the dictionary's classes; a tally counts by their indices.
    """

    def __init__(self, dictionary: Dictionary):
        self.normalization = dictionary.spec.normalization
        self.signatures = list(dictionary.classes)
        self.indices = {signature: index for index, signature in enumerate(self.signatures)}
        self._numbering = Numbering(dictionary.classes)
        self.exact_length, self.longest = self._numbering.exact_length, self._numbering.longest
        self.low, self.high, self.length = self._numbering.of_all(self.signatures)
        self.slots = self._fill_slots()
        self._filling = threading.Lock()
        self.letters = Letters.unknown().with_page(0, self._numbering, self.normalization)

    def _fill_slots(self) -> npt.NDArray[np.int32]:
        """Hash -> class index by open addressing; -1 is free."""
        size = 1 << max(4 * len(self.signatures), 16).bit_length()
        slots = np.full(size, -1, np.int32)
        left = np.arange(len(self.signatures))
        hashes = (self.low ^ (self.high * _MIX_1)) * _MIX_2
        at = (hashes >> np.uint64(32)).astype(np.int64) & (size - 1)
        while left.size:
            free = left[slots[at[left]] < 0]
            slots[at[free]] = free  # of several with one slot, the last wins
            left = left[slots[at[left]] != left]
            at[left] = (at[left] + 1) & (size - 1)
        return slots

    def fill_page(self, page: int) -> None:
        """Makes the code points of `page` known to tallies that begin from now on."""
        with self._filling:
            if self.letters.length[page * PAGE] == UNKNOWN:
                self.letters = self.letters.with_page(page, self._numbering, self.normalization)


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
      counts: by class index.
      lengths: words by length in code points; the last has all longer ones too.
      invalid_bytes: bytes left out since they were no valid UTF-8.
    """

    def __init__(self, table: TallyTable, min_word_length: int = 1):
        self._table = table
        self._tally = compiled_tally()
        self._min_word_length = min_word_length
        self._spilled = np.zeros((_SPILL_SIZE, 2), np.int64)
        self._remembered: dict[bytes, tuple[tuple[int, ...], tuple[int, ...], int]] = {}
        self._pending_counts = np.zeros(len(table.signatures), np.int64)
        self._pending_lengths = np.zeros(LONGEST_TOLD + 1, np.int64)
        self._pending_invalid = 0
        self.counts = np.zeros_like(self._pending_counts)
        self.lengths = np.zeros_like(self._pending_lengths)
        self.invalid_bytes = 0

    def add(self, data: bytes) -> None:
        """Counts the words of `data`, UTF-8 that begins and ends between words.

        Drops what was pending.
        """
        self._pending_counts.fill(0)
        self._pending_lengths.fill(0)
        self._pending_invalid = 0
        table = self._table
        array = np.frombuffer(data, np.uint8)
        position = 0
        while position <= array.size:
            letters = table.letters
            position, page, spilled = self._tally(
                array, position, self._min_word_length,
                letters.low, letters.high, letters.length,
                table.slots, table.low, table.high, table.length,
                table.exact_length, table.longest,
                self._pending_counts, self._pending_lengths, self._spilled,
            )  # fmt: skip
            if spilled:
                pieces = self._spilled[:spilled].tolist()
                self._add_generally(Counter(data[start:stop] for start, stop in pieces))
            if page >= 0:
                table.fill_page(page)

    def commit(self) -> None:
        """Makes final what was added last."""
        self.counts += self._pending_counts
        self.lengths += self._pending_lengths
        self.invalid_bytes += self._pending_invalid

    def merge(self, other: "BlockTally") -> None:
        """Adds what `other`, of the same table, has made final."""
        self.counts += other.counts
        self.lengths += other.lengths
        self.invalid_bytes += other.invalid_bytes

    def counted(self) -> list[tuple[str, int]]:
        """(Signature, count) of each class that occurred."""
        pairs = zip(self._table.signatures, self.counts.tolist(), strict=True)
        return [pair for pair in pairs if pair[1]]

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
            for index in matches:
                self._pending_counts[index] += occurrences
            for length in lengths:
                self._pending_lengths[length] += occurrences
            self._pending_invalid += occurrences * invalid

    def _classify(self, piece: bytes) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """-> the classes of the words in `piece`, the words' lengths, the number of bad bytes."""
        text, invalid = decode(piece)
        found = [
            word
            for word in words(text, self._table.normalization)
            if len(word) >= self._min_word_length
        ]
        indices = (self._table.indices.get(signature(word)) for word in found)
        lengths = tuple(min(len(word), LONGEST_TOLD) for word in found)
        return tuple(index for index in indices if index is not None), lengths, invalid


@functools.cache
def compiled_tally() -> Callable[..., tuple[int, int, int]]:
    """`_tally`, compiled; from the second process on the machine code is read from a file."""
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(_tally)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(nogil=True)(_tally)  # type: ignore[no-any-return]


def _tally(
    data: Any,
    position: int,
    min_word_length: int,
    letter_low: Numbers,
    letter_high: Numbers,
    letter_length: Ints,
    slots: npt.NDArray[np.int32],
    class_low: Numbers,
    class_high: Numbers,
    class_length: Ints,
    exact_length: int,
    longest: int,
    counts: Ints,
    lengths: Ints,
    spilled: Ints,
) -> tuple[int, int, int]:
    """Counts the words of `data` from `position` on.

    Returns:
      Where to go on; the page of code points to make known before, or -1; how many pieces are
      left to the general way in `spilled`.
    """
    size = data.size
    mask = slots.size - 1
    longest_told = lengths.size - 1
    spills = 0
    at = start = position
    low = high = np.uint64(0)
    length = 0
    general = False
    while at <= size:
        step = 1
        code = 0
        effect = SEPARATES
        if at < size:
            code = int(data[at])
            if code >= 0x80:
                lead, code = code, -1
                second = int(data[at + 1]) if at + 1 < size else 0
                third = int(data[at + 2]) if at + 2 < size else 0
                if 0xC2 <= lead <= 0xDF and second & 0xC0 == 0x80:
                    step, code = 2, (lead & 0x1F) << 6 | second & 0x3F
                elif 0xE0 <= lead <= 0xEF and second & 0xC0 == 0x80 and third & 0xC0 == 0x80:
                    code = (lead & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
                    if code >= 0x800 and not 0xD800 <= code <= 0xDFFF:
                        step = 3
                    else:
                        code = -1
            effect = letter_length[code] if code >= 0 else GENERAL
        if effect >= 0:
            low += letter_low[code]
            high += letter_high[code]
            length += effect
            at += step
            continue
        if effect == UNKNOWN:
            return start, code // PAGE, spills
        at += step
        if effect == GENERAL:
            general = True
            continue
        if length > exact_length and length <= longest:
            general = True
        if general:
            spilled[spills, 0] = start
            spilled[spills, 1] = at - step
            spills += 1
            if spills == len(spilled):
                return at, -1, spills
        elif (length & (FOREIGN - 1)) >= min_word_length:
            lengths[min(length & (FOREIGN - 1), longest_told)] += 1
            if length <= longest:
                slot = np.int64(((low ^ (high * _MIX_1)) * _MIX_2) >> np.uint64(32)) & mask
                while slots[slot] >= 0:
                    index = slots[slot]
                    if (
                        class_low[index] == low
                        and class_high[index] == high
                        and class_length[index] == length
                    ):
                        counts[index] += 1
                        break
                    slot = (slot + 1) & mask
        start = at
        low = high = np.uint64(0)
        length = 0
        general = False
    return at, -1, spills
