"""The compiled part of `transforms.kernel`: words counted where they stand among the bytes.

Imported only where much text is to be counted, as the compiler takes a while to load.

Most text is ASCII. A branch for each byte would cost more than the work behind it there, as no
processor foresees where words end; so `_scan` has none. It adds up what all bytes add, and keeps
the sums up to each separator: what a word adds is the difference of two sums. The words of a
chunk are looked up together then, so that their waits for memory overlap.

What has bytes beyond ASCII between two ASCII separators is read code point by code point, and
so is a whole stretch of text that has many of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from transforms.numbering import (
    FOREIGN,
    GENERAL,
    PAGE,
    SEPARATES,
    UNKNOWN,
    Ints,
    Letters,
    Numbers,
)

# Bytes scanned at once: their sums stay in the processor's cache.
_CHUNK = 1 << 11
# A chunk's fields in one number: its letters, of which no class has, bytes beyond ASCII, bytes.
_FIELD_SIZE = np.uint64(1 << 16)
_FOREIGN, _BEYOND_ASCII, _BYTE = (_FIELD_SIZE**field for field in range(1, 4))
# With a byte beyond ASCII in so many, a chunk and some more is read by code point as a whole.
_MANY = 16
_SOME_MORE = 8 * _CHUNK
# Columns: of effects, sums, words, and of a dictionary's classes.
_LOW, _HIGH, _FIELDS = (np.uint64(column) for column in range(3))
_LENGTH = _FIELDS
# Further columns: of effects, of words, of classes; of words.
_SEPARATES = _STOP = _INDEX = np.uint64(3)
_SLOT, _FETCHED = np.uint64(4), np.uint64(5)
_MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


class Classes(NamedTuple):
    """The classes of a dictionary by their numbers, in a table of open addressing.

    Attributes:
      rows: numbers, length and index of a class; length 0 is a free slot.
      bits: the table has 2**bits slots, and is not full.
      longest: no class has more letters.
    """

    rows: Numbers
    bits: int
    longest: int


class Counters(NamedTuple):
    """Where `tally` counts.

    Attributes:
      counts: by class index.
      lengths: words by length in code points; the last has all longer ones too.
      spilled: beginnings and ends of the pieces left to the general way.
    """

    counts: Ints
    lengths: Ints
    spilled: Ints


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """From the second process on the machine code is read from a file."""
    try:
        return numba.njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


def ascii_effects(letters: Letters) -> Numbers:
    """Byte -> what it adds to the sums of `_scan`, from the page of `letters` that has ASCII."""
    effects = np.zeros((256, 4), np.uint64)
    effects[:, _FIELDS] = _BYTE
    effects[0x80:, _FIELDS] += _BEYOND_ASCII
    for byte, effect in enumerate(letters.length[:0x80].tolist()):
        if effect == SEPARATES:
            effects[byte, _SEPARATES] = 1
        elif effect >= FOREIGN:
            effects[byte, _FIELDS] += _FOREIGN + np.uint64(effect - FOREIGN)
        else:
            effects[byte, _LOW] = letters.low[byte]
            effects[byte, _HIGH] = letters.high[byte]
            effects[byte, _FIELDS] += np.uint64(effect)
    return effects


def slot_of(low: Any, high: Any, bits: Any) -> Any:
    """Numbers -> where in a table of 2**`bits` slots the search for them begins.

    Only the topmost bits of a product depend on all bits of its factors.
    """
    return ((low ^ (high * _MIX_1)) * _MIX_2) >> np.uint64(64 - bits)


_slot_of = _compiled(slot_of)


@_compiled
def _scan(data: Any, start: int, stop: int, effects: Any, sums: Any, both: bool) -> Any:
    """-> how many separators are in `data` from `start` to `stop`; `sums` are those up to each.

    Every byte writes its sums, which the next one overwrites unless it was a separator. Without
    `both` no letter has a high number.
    """
    low = high = fields = separators = np.uint64(0)
    for at in range(np.uint64(start), np.uint64(stop)):
        byte = data[at]
        low += effects[byte, _LOW]
        if both:  # a loop of its own, as compiled
            high += effects[byte, _HIGH]
            sums[separators, _HIGH] = high
        fields += effects[byte, _FIELDS]
        sums[separators, _LOW] = low
        sums[separators, _FIELDS] = fields
        separators += effects[byte, _SEPARATES]
    return separators


@_compiled
def _part(sums: Any, separators: Any, classes: Any, words: Any) -> Any:
    """Sums up to separators -> how many `words` there are between, which have something to count.

    Their rows of classes are fetched here, where none waits for the one before.
    """
    found = np.uint64(0)
    low = high = fields = np.uint64(0)
    for separator in range(separators):
        low_before, high_before, fields_before = low, high, fields
        low = sums[separator, _LOW]
        high = sums[separator, _HIGH]
        fields = sums[separator, _FIELDS]
        added = (fields - fields_before) % _BYTE
        words[found, _LOW] = low - low_before
        words[found, _HIGH] = high - high_before
        words[found, _FIELDS] = added
        words[found, _STOP] = fields // _BYTE - np.uint64(1)
        found += np.uint64(added != np.uint64(0))
    for word in range(found):
        slot = _slot_of(words[word, _LOW], words[word, _HIGH], classes.bits)
        words[word, _SLOT] = slot
        words[word, _FETCHED] = classes.rows[slot, _LENGTH]
    return found


@_compiled
def _count(low: Any, high: Any, length: Any, slot: Any, classes: Any, counts: Any) -> None:
    """Counts a word for its class, if there is one; the search begins at `slot`."""
    rows = classes.rows
    while rows[slot, _LENGTH] != 0:
        if (
            (rows[slot, _LOW] == low)
            & (rows[slot, _HIGH] == high)
            & (rows[slot, _LENGTH] == length)
        ):
            counts[rows[slot, _INDEX]] += 1
            return
        slot = (slot + np.uint64(1)) & np.uint64(len(rows) - 1)


@_compiled
def _by_code_point(
    data: Any,
    start: int,
    stop: int,
    shortest: int,
    letters: Any,
    classes: Any,
    counters: Any,
    spills: int,
) -> Any:
    """Counts the words of `data` from `start` to `stop`; -> as `tally`."""
    counts, lengths, spilled = counters
    told = lengths.size - 1
    at = start
    low = high = np.uint64(0)
    length = 0
    general = False
    while at <= stop:
        step = 1
        code = 0
        effect = SEPARATES
        if at < stop:
            code = int(data[at])
            if code >= 0x80:
                lead, code = code, -1
                second = int(data[at + 1]) if at + 1 < stop else 0
                third = int(data[at + 2]) if at + 2 < stop else 0
                if 0xC2 <= lead <= 0xDF and second & 0xC0 == 0x80:
                    step, code = 2, (lead & 0x1F) << 6 | second & 0x3F
                elif 0xE0 <= lead <= 0xEF and second & 0xC0 == 0x80 and third & 0xC0 == 0x80:
                    code = (lead & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
                    if code >= 0x800 and not 0xD800 <= code <= 0xDFFF:
                        step = 3
                    else:
                        code = -1
            effect = letters.length[code] if code >= 0 else GENERAL
        if effect >= 0:
            low += letters.low[code]
            high += letters.high[code]
            length += effect
            at += step
            continue
        if effect == UNKNOWN:
            return start, code // PAGE, spills
        at += step
        if effect == GENERAL:
            general = True
            continue
        if general:
            spilled[spills, 0] = start
            spilled[spills, 1] = at - step
            spills += 1
            if spills == len(spilled):
                return at, -1, spills
        elif length & (FOREIGN - 1) >= shortest:
            lengths[min(length & (FOREIGN - 1), told)] += 1
            if length <= classes.longest:
                slot = _slot_of(low, high, classes.bits)
                _count(low, high, np.uint64(length), slot, classes, counts)
        start = at
        low = high = np.uint64(0)
        length = 0
        general = False
    return at, -1, spills


@_compiled
def tally(
    data: Any,
    position: Any,
    shortest: int,
    effects: Any,
    letters: Any,
    classes: Any,
    counters: Any,
) -> Any:
    """Counts the words of `data` from `position` on.

    Returns:
      Where to go on; the page of code points to make known before, or -1; how many pieces are
      left to the general way in `spilled`.
    """
    counts, lengths, spilled = counters
    told = lengths.size - 1
    spills = 0
    both = effects[:, _HIGH].any()
    sums = np.zeros((_CHUNK + 1, 3), np.uint64)
    words = np.empty((_CHUNK + 1, 6), np.uint64)
    while position < data.size:
        end: Any = min(position + _CHUNK, data.size)
        separators = _scan(data, position, end, effects, sums, both)
        last = sums[separators - np.uint64(1), _FIELDS] if separators else np.uint64(0)
        beyond_ascii = np.int64(last // _BEYOND_ASCII % _FIELD_SIZE)
        if separators and _MANY * beyond_ascii < end - position:
            end = position + np.int64(last // _BYTE)
            found: Any = np.int64(_part(sums, separators, classes, words))
        else:
            end = min(position + _SOME_MORE, data.size)
            while end < data.size and effects[data[end], _SEPARATES] == 0:
                end += 1
            words[0, _FIELDS] = _BEYOND_ASCII
            words[0, _STOP] = np.uint64(end - position)
            found = 1
        start = position
        for word in range(found):
            stop = position + np.int64(words[word, _STOP])
            fields = np.int64(words[word, _FIELDS])
            length = fields % np.int64(_FOREIGN)
            if fields >= np.int64(_BEYOND_ASCII):
                at, page, spills = _by_code_point(
                    data, start, stop, shortest, letters, classes, counters, spills
                )
                if page >= 0 or spills == len(spilled):
                    return at, page, spills
            elif length >= shortest:
                lengths[min(length, told)] += 1
                if fields <= classes.longest:
                    low, high, slot = words[word, _LOW], words[word, _HIGH], words[word, _SLOT]
                    _count(low, high, np.uint64(fields), slot, classes, counts)
            start = stop + 1
        position = end
    return position, -1, spills
