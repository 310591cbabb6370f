"""The compiled part of `transforms.kernel.tally`: words counted where they stand among the bytes.

Imported only where much text is to be counted, as the compiler takes a while to load.

Most text is ASCII. A branch for each byte or word would cost more than the work behind it there,
as no processor foresees where words end, or which of them a dictionary has; so there is none.
`_scan` adds up what all bytes add, and keeps the sums up to each separator: what a word adds is
the difference of two sums. `_count` looks at a single slot for each word, and adds one or nothing
to its counter.

What has bytes beyond ASCII between two ASCII separators is read code point by code point, and
so is a whole stretch of text that has many of them.

Arrays are taken out of their tuples ahead of loops: numba may count references each time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from transforms.kernel.letter_weights import (
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
_ODD, _OTHER_ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


class Effects(NamedTuple):
    """Byte -> what it adds to the sums of `_scan`, and 1 where it separates words."""

    low: Numbers
    high: Numbers
    fields: Numbers
    separates: Numbers


class Classes(NamedTuple):
    """The classes of a dictionary by their numbers, each in a slot of its own.

    Attributes:
      both: whether any has a high number.
      bits, choices: of their `transforms.kernel.perfect_hash`.
      low, high, length: numbers and length of the class in each slot; length 0 is a free slot.
    """

    both: bool
    bits: int
    choices: npt.NDArray[np.uint16]
    low: Numbers
    high: Numbers
    length: npt.NDArray[np.uint32]


class Counters(NamedTuple):
    """Where `tally` counts.

    Attributes:
      counts: by the slot of a class.
      lengths: words by length in code points; the last has all longer ones too.
      spilled: beginnings and ends of the pieces left to the general way.
    """

    counts: Ints
    lengths: Ints
    spilled: Ints


class _Sums(NamedTuple):
    """Of what bytes add: up to each separator, or within each word, with the place of its end."""

    low: Numbers
    high: Numbers
    fields: Numbers
    stop: Numbers


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """From the second process on the machine code is read from a file."""
    try:
        return numba.njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


def ascii_effects(letters: Letters) -> Effects:
    """-> what bytes add, from the page of `letters` that has ASCII."""
    effects = Effects(*np.zeros((4, 256), np.uint64))
    effects.fields[:] = _BYTE
    effects.fields[0x80:] += _BEYOND_ASCII
    for byte, effect in enumerate(letters.length[:0x80].tolist()):
        if effect == SEPARATES:
            effects.separates[byte] = 1
        elif effect >= FOREIGN:
            effects.fields[byte] += _FOREIGN + np.uint64(effect - FOREIGN)
        else:
            effects.low[byte] = letters.low[byte]
            effects.high[byte] = letters.high[byte]
            effects.fields[byte] += np.uint64(effect)
    return effects


def spread(high: Any) -> Any:
    """The high number of a word -> one that no sum of low ones is likely to be; 0 stays."""
    product = high * _ODD
    return (product ^ (product >> np.uint64(32))) * _OTHER_ODD


def mixed(low: Any, spread: Any) -> Any:
    """-> bits as good as random, of both numbers of a word; 0 only for two zeros."""
    product = (low ^ spread) * _ODD
    return product ^ (product >> np.uint64(32))


#: By the number of a hash function, what it multiplies by.
MULTIPLIERS = spread(np.arange(1, 1025, dtype=np.uint64)) | np.uint64(1)


def bucket_of(mixed: Any, bits: Any) -> Any:
    """-> a bucket, of which there is one for four of the 2**`bits` slots."""
    return mixed >> np.uint64(64 - (bits - 2))


def slot_of(mixed: Any, choice: Any, bits: Any) -> Any:
    """-> a slot, of 2**`bits`, by the hash function of this number."""
    return (mixed * MULTIPLIERS[choice]) >> np.uint64(64 - bits)


_spread, _mixed = _compiled(spread), _compiled(mixed)
_bucket_of, _slot_of = _compiled(bucket_of), _compiled(slot_of)


@_compiled
def _scan(data: Any, start: int, stop: int, effects: Any, both: bool, sums: Any) -> Any:
    """-> how many separators are in `data` from `start` to `stop`; `sums` are those up to each.

    Every byte writes its sums, which the next one overwrites unless it was a separator.
    """
    low_effects, high_effects, fields_effects, separates = effects
    lows, highs, all_fields, _ = sums
    low = high = fields = separators = np.uint64(0)
    for at in range(np.uint64(start), np.uint64(stop)):
        byte = data[at]
        low += low_effects[byte]
        lows[separators] = low
        if both:  # a loop of its own, as compiled
            high += high_effects[byte]
            highs[separators] = high
        fields += fields_effects[byte]
        all_fields[separators] = fields
        separators += separates[byte]
    return separators


@_compiled
def _part(sums: Any, separators: Any, both: bool, words: Any) -> Any:
    """Sums up to separators -> how many `words` there are between, which have something to count.

    What is no word is overwritten by the next one.
    """
    low_sums, high_sums, fields_sums, _ = sums
    lows, highs, all_fields, stops = words
    found = low = high = fields = np.uint64(0)
    for separator in range(separators):
        low_before, high_before, fields_before = low, high, fields
        low, fields = low_sums[separator], fields_sums[separator]
        lows[found] = low - low_before
        if both:
            high = high_sums[separator]
            highs[found] = high - high_before
        added = (fields - fields_before) % _BYTE
        all_fields[found] = added
        stops[found] = fields // _BYTE - np.uint64(1)
        found += np.uint64(added != np.uint64(0))
    return found


@_compiled
def _look_up(low: Any, high: Any, length: Any, classes: Any) -> Any:
    """-> a slot, and whether the class in it is that of the word."""
    both, bits, choices, lows, highs, lengths = classes
    number = _mixed(low, _spread(high) if both else high)
    slot = _slot_of(number, choices[_bucket_of(number, bits)], bits)
    is_it = (lows[slot] == low) & (lengths[slot] == length) & (highs[slot * both] == high)
    return slot, is_it


@_compiled
def _count(words: Any, found: Any, shortest: int, classes: Any, counters: Any) -> None:
    """Counts the first `found` words, those with bytes beyond ASCII apart."""
    lows, highs, all_fields, _ = words
    counts, lengths, _ = counters
    told = lengths.size - 1
    for word in range(np.uint64(found)):
        fields = all_fields[word]
        length = np.int64(fields % _FOREIGN)
        counts_here = (length >= shortest) & (fields < _BEYOND_ASCII)
        lengths[min(length, told)] += counts_here
        slot, is_it = _look_up(lows[word], highs[word], fields, classes)
        counts[slot] += is_it & counts_here


@_compiled
def _code_point(data: Any, at: int, stop: int) -> Any:
    """-> the code point at `at`, and its length in bytes.

    -1 and 1 where it is beyond U+FFFF, or no valid UTF-8 that ends before `stop`.
    """
    lead = int(data[np.uint64(at)])
    if lead < 0x80:
        return lead, 1
    second = int(data[np.uint64(at + 1)]) if at + 1 < stop else 0
    third = int(data[np.uint64(at + 2)]) if at + 2 < stop else 0
    if 0xC2 <= lead <= 0xDF and second & 0xC0 == 0x80:
        return (lead & 0x1F) << 6 | second & 0x3F, 2
    if 0xE0 <= lead <= 0xEF and second & 0xC0 == 0x80 and third & 0xC0 == 0x80:
        code = (lead & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
        if code >= 0x800 and not 0xD800 <= code <= 0xDFFF:
            return code, 3
    return -1, 1


@_compiled
def _by_code_point(
    data: Any,
    position: Any,
    words: Any,
    found: Any,
    shortest: int,
    letters: Any,
    classes: Any,
    counters: Any,
    spills: int,
) -> Any:
    """Counts those of the `words` from `position` on that have bytes beyond ASCII.

    Returns:
      At which word it has stopped, for what `tally` returns then; or `found`.
    """
    _, _, all_fields, stops = words
    lows, highs, effects = letters
    counts, lengths, spilled = counters
    told = lengths.size - 1
    stop = position - 1
    low = high = np.uint64(0)
    length = 0
    general = False
    for word in range(found):
        start = at = stop + 1
        stop = position + np.int64(stops[word])
        if all_fields[word] < _BEYOND_ASCII:
            continue
        while at <= stop:
            code, step, effect = 0, 1, SEPARATES
            if at < stop:
                code, step = _code_point(data, at, stop)
                effect = effects[code] if code >= 0 else GENERAL
            if effect >= 0:
                low += lows[code]
                high += highs[code]
                length += effect
                at += step
                continue
            if effect == UNKNOWN:
                return word, start, code // PAGE, spills
            at += step
            if effect == GENERAL:
                general = True
                continue
            if general:
                spilled[spills, 0] = start
                spilled[spills, 1] = at - step
                spills += 1
                if spills == len(spilled):
                    return word, at, -1, spills
            elif length & (FOREIGN - 1) >= shortest:
                lengths[min(length & (FOREIGN - 1), told)] += 1
                slot, is_it = _look_up(low, high, np.uint64(length), classes)
                counts[slot] += is_it
            start = at
            low = high = np.uint64(0)
            length = 0
            general = False
    return found, stop + 1, -1, spills


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
    separates = effects.separates
    sums, words = _room(), _room()
    spills = 0
    while position < data.size:
        end: Any = min(position + _CHUNK, data.size)
        separators = _scan(data, position, end, effects, classes.both, sums)
        last = sums.fields[separators - np.uint64(1)] if separators else np.uint64(0)
        beyond_ascii: Any = np.int64(last // _BEYOND_ASCII % _FIELD_SIZE)
        if separators and _MANY * beyond_ascii < end - position:
            end = position + np.int64(last // _BYTE)
            found: Any = np.int64(_part(sums, separators, classes.both, words))
        else:
            end = min(position + _SOME_MORE, data.size)
            while end < data.size and separates[data[end]] == 0:
                end += 1
            words.fields[0] = _BEYOND_ASCII
            words.stop[0] = np.uint64(end - position)
            found = beyond_ascii = np.int64(1)
        reached, at, page = found, end, np.int64(-1)
        if beyond_ascii:
            reached, at, page, spills = _by_code_point(
                data, position, words, found, shortest, letters, classes, counters, spills
            )
        _count(words, reached, shortest, classes, counters)
        if reached < found:
            return at, page, spills
        position = end
    return position, -1, spills


@_compiled
def _room() -> Any:
    """-> sums, or words, of a chunk."""
    rows = np.zeros((4, _CHUNK + 1), np.uint64)
    return _Sums(rows[0], rows[1], rows[2], rows[3])
