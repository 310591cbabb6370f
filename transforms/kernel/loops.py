"""The compiled loops of `transforms.kernel.tally`, which count words directly in the bytes.

This module loads the compiler, which takes a while. It is imported only if there is much text to
count.

Most text is ASCII, and this decides the shape of the loops. A processor cannot predict where words
end, nor which of them are in a dictionary; a branch for each byte or word would cost more than the
work that it saves. So there is no such branch:

1. `_sum_up` adds up what all bytes of a chunk contribute, and keeps the running sums at each
   separator.
2. `_split_into_words` takes the differences of these sums, which are the sums of the words.
3. `_count` looks at a single slot of the dictionary's table for each word, and counts those that
   are in it.

A piece of text between two ASCII separators that has bytes beyond ASCII is left out of these steps.
`_count_by_code_point` reads it one code point after the other, as it does with all of the text
where such bytes are frequent. What it cannot treat is left to the slow path of
`transforms.kernel.tally`.

Arrays are taken out of their tuples before loops begin, since numba may otherwise count references
in each round.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.kernel.compiling import compiled, compiled_into_callers
from transforms.kernel.letter_weights import (
    MARKS,
    NOT_FILLED,
    NOT_IN_DICTIONARY,
    PAGE,
    SEPARATOR,
    SLOW_PATH,
    CodePointEffects,
    Int64Array,
    UInt64Array,
)
from transforms.kernel.pairs import PAIR_SIZE, add_row, put_row, zero_pair

# Bytes of a chunk. Its sums stay in the processor's cache.
_CHUNK = 1 << 11
# Four counters of a chunk are packed into one number: its letters, those of them that no class
# has, its bytes beyond ASCII, its bytes. A chunk is too small for any of them to overflow.
_FIELD_SIZE = np.uint64(1 << 16)
_UNKNOWN_LETTER, _BEYOND_ASCII, _BYTE = (_FIELD_SIZE**field for field in range(1, 4))
# If one in so many bytes is beyond ASCII, the chunk and some more are read by code point.
_FREQUENT = 16
_SOME_MORE = 8 * _CHUNK
_ODD, _OTHER_ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


class ByteEffects(NamedTuple):
    """What each byte contributes to the sums of a chunk.

    Attributes:
      pairs: by byte, its low letter weight, and what it adds to the packed counters.
      high: its high letter weight.
      row_sizes: the size of a pair if it separates words, or else 0.
    """

    pairs: UInt64Array
    high: UInt64Array
    row_sizes: UInt64Array


class Classes(NamedTuple):
    """The anagram classes of a dictionary, each in a slot of a perfect hash.

    Attributes:
      uses_high: whether any class has a high sum other than 0.
      bits: there are 2**bits slots, see `transforms.kernel.perfect_hash`.
      choices: by bucket, the number of the hash function that it has chosen.
      low: by slot, the low sum of the class in it.
      high: its high sum.
      length: its length; 0 for a slot without a class.
    """

    uses_high: bool
    bits: int
    choices: npt.NDArray[np.uint16]
    low: UInt64Array
    high: UInt64Array
    length: npt.NDArray[np.uint32]


class Counters(NamedTuple):
    """What `tally` counts.

    Attributes:
      counts: by slot, the words that belong to the class in it.
      lengths: by length in code points, the words; the last counter has all longer words too.
      slow_pieces: the begin and the end of each piece of text that is left to the slow path.
    """

    counts: Int64Array
    lengths: Int64Array
    slow_pieces: Int64Array


class _Sums(NamedTuple):
    """The sums of a chunk at each of its separators.

    Attributes:
      pairs: the low sum and the packed counters.
      high: the high sum.
    """

    pairs: UInt64Array
    high: UInt64Array


class _Words(NamedTuple):
    """The words of a chunk.

    Attributes:
      low: their low sums.
      high: their high sums.
      packed: their packed counters; but the counter of bytes is that of the chunk, up to and with
        the separator behind the word.
    """

    low: UInt64Array
    high: UInt64Array
    packed: UInt64Array


def byte_effects(effects: CodePointEffects) -> ByteEffects:
    """Returns what bytes contribute, given a table that has the page of ASCII."""
    by_byte = ByteEffects(
        np.zeros((256, 2), np.uint64), np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    )
    low, packed = by_byte.pairs.T
    packed[:] = _BYTE
    packed[0x80:] += _BEYOND_ASCII
    for byte, length in enumerate(effects.length[:0x80].tolist()):
        if length == SEPARATOR:
            by_byte.row_sizes[byte] = PAIR_SIZE
        elif length >= NOT_IN_DICTIONARY:
            packed[byte] += _UNKNOWN_LETTER + np.uint64(length - NOT_IN_DICTIONARY)
        else:
            low[byte] = effects.low[byte]
            by_byte.high[byte] = effects.high[byte]
            packed[byte] += np.uint64(length)
    return by_byte


def scramble(high: Any) -> Any:
    """Changes the high sum of a word to a number that is unlikely to be a low sum; 0 remains 0."""
    product = high * _ODD
    return (product ^ (product >> np.uint64(32))) * _OTHER_ODD


def mix(low: Any, scrambled: Any) -> Any:
    """Makes one number, whose bits are as good as random, of both sums of a word.

    Args:
      low: the low sum.
      scrambled: what `scramble` makes of the high sum.

    Returns:
      A number, which is 0 if both sums are, and otherwise practically never.
    """
    product = (low ^ scrambled) * _ODD
    return product ^ (product >> np.uint64(32))


#: The multiplier of each hash function of `transforms.kernel.perfect_hash`.
MULTIPLIERS = scramble(np.arange(1, 1025, dtype=np.uint64)) | np.uint64(1)


def bucket_of(mixed: Any, bits: Any) -> Any:
    """Returns the bucket of a mixed number. There is one for every four of the 2**bits slots."""
    return mixed >> np.uint64(64 - (bits - 2))


def slot_of(mixed: Any, choice: Any, bits: Any) -> Any:
    """Returns the slot, of 2**bits, to which the hash function `choice` leads a mixed number."""
    return (mixed * MULTIPLIERS[choice]) >> np.uint64(64 - bits)


_scramble, _mix = compiled_into_callers(scramble), compiled_into_callers(mix)
_bucket_of, _slot_of = compiled_into_callers(bucket_of), compiled_into_callers(slot_of)


@compiled_into_callers
def _sum_up(data: Any, start: int, stop: int, effects: Any, uses_high: bool, sums: Any) -> Any:
    """Adds up what the bytes from `start` to `stop` contribute.

    Every byte writes the sums so far to the same place, which the next byte overwrites unless this
    one was a separator.

    Args:
      data: the text.
      start: where to begin.
      stop: where to end.
      effects: what bytes contribute, a `ByteEffects`.
      uses_high: whether high sums are needed.
      sums: filled with the sums up to each separator, and those up to `stop`.

    Returns:
      The number of separators.
    """
    pair_effects, high_effects, row_sizes = effects
    pairs, highs = sums
    pair, high, row = zero_pair(), np.uint64(0), np.uint64(0)
    for at in range(np.uint64(start), np.uint64(stop)):
        byte = np.uint64(data[at])
        pair = add_row(pair, pair_effects, byte * PAIR_SIZE)
        put_row(pair, pairs, row)
        if uses_high:  # compiled to two loops, one of them without this
            high += high_effects[byte]
            highs[row // PAIR_SIZE] = high
        row += row_sizes[byte]
    return row // PAIR_SIZE


@compiled_into_callers
def _split_into_words(sums: Any, separators: Any, uses_high: bool, words: Any) -> Any:
    """Takes the differences of the sums at separators, which are the sums of the words between.

    What has no letter and no byte beyond ASCII is no word. It is overwritten by what comes next.

    Args:
      sums: the sums up to each separator.
      separators: their number.
      uses_high: whether there are high sums.
      words: filled with the sums of the words.

    Returns:
      The number of words.
    """
    pairs, high_sums = sums
    lows, highs, all_packed = words
    found = low = high = packed = np.uint64(0)
    for separator in range(separators):
        low_before, high_before, packed_before = low, high, packed
        low, packed = pairs[separator, 0], pairs[separator, 1]
        lows[found] = low - low_before
        if uses_high:
            high = high_sums[separator]
            highs[found] = high - high_before
        added = packed - packed_before % _BYTE
        all_packed[found] = added
        found += np.uint64(added % _BYTE != np.uint64(0))
    return found


@compiled_into_callers
def _look_up(low: Any, high: Any, length: Any, classes: Any) -> Any:
    """Returns the only slot that can have the class of a word, and whether it does."""
    uses_high, bits, choices, lows, highs, lengths = classes
    number = _mix(low, _scramble(high) if uses_high else high)
    slot = _slot_of(number, choices[_bucket_of(number, bits)], bits)
    matches = (lows[slot] == low) & (lengths[slot] == length) & (highs[slot * uses_high] == high)
    return slot, matches


@compiled_into_callers
def _count(
    words: Any, found: Any, times: Any, min_word_length: int, classes: Any, counters: Any
) -> None:
    """Counts those of the first `found` words that have no bytes beyond ASCII.

    The slots of the words that are in the dictionary are collected first, where low sums were that
    are no longer needed. If each word added one or nothing to its counter at once, the processor
    would wait for counters that do not change.
    """
    lows, highs, all_packed = words
    counts, lengths, _ = counters
    last_length = lengths.size - 1
    hits = np.uint64(0)
    for word in range(np.uint64(found)):
        packed = all_packed[word] % _BYTE
        length = np.int64(packed % _UNKNOWN_LETTER)
        counts_here = (length >= min_word_length) & (packed < _BEYOND_ASCII)
        lengths[min(length, last_length)] += times * counts_here
        # Packed counters equal the length of a class only if no letter is unknown.
        slot, matches = _look_up(lows[word], highs[word], packed, classes)
        lows[hits] = slot
        hits += np.uint64(matches & counts_here)
    for hit in range(hits):
        counts[lows[hit]] += times


@compiled_into_callers
def _decode_code_point(data: Any, at: int, stop: int) -> Any:
    """Decodes the code point at `at`.

    Returns:
      The code point and its size in bytes; -1 and 1 if it is beyond U+FFFF, or if there is no
      valid UTF-8 that ends before `stop`.
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


@compiled_into_callers
def _count_by_code_point(
    data: Any,
    position: Any,
    last_stop: Any,
    words: Any,
    found: Any,
    times: Any,
    min_word_length: int,
    effects: Any,
    classes: Any,
    counters: Any,
    slow: int,
) -> Any:
    """Counts those of the words that have bytes beyond ASCII.

    What stands between two ASCII separators, a single word until here, may have other separators
    in it.

    Args:
      data: the text.
      position: where the chunk begins.
      last_stop: where its last separator is, or the end of the text. The last word reaches up to
        it: a single piece may have more bytes than a packed counter can hold.
      words: the words of the chunk.
      found: their number.
      times: how often each word is counted.
      min_word_length: shorter words are not counted.
      effects: what code points contribute, a `CodePointEffects`.
      classes: the dictionary, a `Classes`.
      counters: where to count, a `Counters`.
      slow: how many pieces are left to the slow path already.

    Returns:
      The number of words treated, which is `found` unless a page is to be filled or there is no
      more room for slow pieces; where to go on; the page to be filled, or -1; and how many pieces
      are left to the slow path now.
    """
    _, _, all_packed = words
    lows, highs, lengths_of = effects
    counts, lengths, slow_pieces = counters
    last_length = lengths.size - 1
    stop = position - 1
    low = high = np.uint64(0)
    length = 0
    is_slow = False
    for word in range(found):
        packed = all_packed[word]
        start = at = stop + 1
        stop = position + np.int64(packed // _BYTE) - 1 if word < found - 1 else last_stop
        if packed % _BYTE < _BEYOND_ASCII:
            continue
        while at <= stop:
            code, step, effect = 0, 1, SEPARATOR
            if at < stop:
                code, step = _decode_code_point(data, at, stop)
                effect = lengths_of[code] if code >= 0 else SLOW_PATH
            if effect >= 0:
                low += lows[code]
                high += highs[code]
                # Marks before a letter: whether this is a word is left to the slow path.
                is_slow |= (length == 0) & (effect & MARKS != 0)
                length += effect & ~MARKS
                at += step
                continue
            if effect == NOT_FILLED:
                return word, start, code // PAGE, slow
            at += step
            if effect == SLOW_PATH:
                is_slow = True
                continue
            if is_slow:
                slow_pieces[slow, 0] = start
                slow_pieces[slow, 1] = at - step
                slow += 1
                if slow == len(slow_pieces):
                    return word, at, -1, slow
            elif length & (NOT_IN_DICTIONARY - 1) >= min_word_length:
                lengths[min(length & (NOT_IN_DICTIONARY - 1), last_length)] += times
                slot, matches = _look_up(low, high, np.uint64(length), classes)
                counts[slot] += times * matches
            start = at
            low = high = np.uint64(0)
            length = 0
            is_slow = False
    return found, stop + 1, -1, slow


@compiled
def tally(
    data: Any,
    position: Any,
    times: Any,
    min_word_length: int,
    byte_effects: Any,
    code_point_effects: Any,
    classes: Any,
    counters: Any,
) -> Any:
    """Counts the words of a text.

    It returns before the end of the text if the caller has to do something first.

    Args:
      data: the text, UTF-8 that begins and ends between words.
      position: where to begin.
      times: how often each word is counted; -1 takes back what was counted before.
      min_word_length: shorter words are not counted.
      byte_effects: a `ByteEffects`.
      code_point_effects: a `CodePointEffects`.
      classes: the dictionary, a `Classes`.
      counters: where to count, a `Counters`.

    Returns:
      Where to go on; the page of code points that must be filled before, or -1; and the number of
      pieces that are left to the slow path.
    """
    row_sizes = byte_effects.row_sizes
    sums = _Sums(np.zeros((_CHUNK + 1, 2), np.uint64), np.zeros(_CHUNK + 1, np.uint64))
    rows = np.zeros((3, _CHUNK + 1), np.uint64)
    words = _Words(rows[0], rows[1], rows[2])
    slow = np.int64(0)  # for a plain 0, what is called would be compiled once more
    while position < data.size:
        end: Any = min(position + _CHUNK, data.size)
        separators = _sum_up(data, position, end, byte_effects, classes.uses_high, sums)
        last = sums.pairs[separators - np.uint64(1), 1] if separators else np.uint64(0)
        beyond_ascii: Any = np.int64(last // _BEYOND_ASCII % _FIELD_SIZE)
        if separators and _FREQUENT * beyond_ascii < end - position:
            end = position + np.int64(last // _BYTE)
            last_stop: Any = end - 1
            found: Any = np.int64(_split_into_words(sums, separators, classes.uses_high, words))
        else:  # one piece up to a separator, for `_count_by_code_point`
            end = min(position + _SOME_MORE, data.size)
            while end < data.size and row_sizes[data[end]] == 0:
                end += 1
            words.packed[0] = _BEYOND_ASCII
            last_stop = end
            found = beyond_ascii = np.int64(1)
        reached, at, page = found, end, np.int64(-1)
        if beyond_ascii:
            reached, at, page, slow = _count_by_code_point(
                data,
                position,
                last_stop,
                words,
                found,
                times,
                min_word_length,
                code_point_effects,
                classes,
                counters,
                slow,
            )
        _count(words, reached, times, min_word_length, classes, counters)
        if reached < found:
            # Behind the last word, which has no separator, it would be beyond the end.
            return min(at, data.size), page, slow
        position = end
    return position, -1, slow
