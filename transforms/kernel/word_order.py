"""Sorts words by their code points, in compiled code. Loads the compiler.

UTF-8 sorts as the code points do that it encodes. The first 8 bytes of each word make a number, and
the numbers are sorted, digit by digit. Words for which they are equal are sorted by what follows.
"""

from typing import Any

import numpy as np
import pyarrow

from transforms.columns.tables import Int64Array, letters_and_ends
from transforms.kernel.compiling import compiled

# So many words are sorted by comparing them with each other.
_FEW = 24
_DIGITS, _DIGIT_BITS = 6, 11


def order_of_words(words: pyarrow.Array) -> Int64Array:
    """Returns the rows of an array of large strings in the order of the strings.

    Rows with equal strings keep their order.
    """
    data, ends = letters_and_ends(words)
    order = np.arange(len(words))
    _sort(data, ends, order)
    return order


@compiled
def _sort(data: Any, ends: Any, order: Any) -> None:
    """Sorts `order`, which are the numbers of the words whose bytes end at `ends[number + 1]`."""
    keys = np.empty(order.size, np.uint64)
    other_keys, other_order = np.empty_like(keys), np.empty_like(order)
    # Ranges to be sorted: begin, end, and how many bytes are equal.
    ranges = [(0, order.size, 0)]
    while ranges:
        begin, end, depth = ranges.pop()
        if end - begin <= _FEW:
            _sort_few(data, ends, order, begin, end, depth)
            continue
        longest = 0
        for place in range(begin, end):
            number = order[place]
            keys[place] = _key(data, ends[number] + depth, ends[number + 1])
            longest = max(longest, ends[number + 1] - ends[number])
        _sort_keys(keys, order, other_keys, other_order, begin, end)
        first = begin
        for place in range(begin + 1, end + 1):
            if place < end and keys[place] == keys[first]:
                continue
            if place - first > 1:
                if longest > depth + 8:
                    ranges.append((first, place, depth + 8))
                else:  # they differ in nothing but NULs at their ends
                    for equal in range(first, place):
                        number = order[equal]
                        keys[equal] = np.uint64(ends[number + 1] - ends[number])
                    _sort_keys(keys, order, other_keys, other_order, first, place)
            first = place


@compiled
def _key(data: Any, at: int, stop: int) -> Any:
    """Returns 8 bytes as a number, with NULs for those beyond the end of the word."""
    key = np.uint64(0)
    for index in range(8):
        byte = data[at + index] if at + index < stop else 0
        key = key << np.uint64(8) | np.uint64(byte)
    return key


@compiled
def _sort_keys(
    keys: Any, order: Any, other_keys: Any, other_order: Any, begin: int, end: int
) -> None:
    """Sorts a range of keys, and `order` with them, from the last digit to the first."""
    counts = np.zeros((_DIGITS, 1 << _DIGIT_BITS), np.int64)
    mask = np.uint64((1 << _DIGIT_BITS) - 1)
    for place in range(begin, end):
        for digit in range(_DIGITS):
            counts[digit, (keys[place] >> np.uint64(_DIGIT_BITS * digit)) & mask] += 1
    for digit in range(_DIGITS):
        shift = np.uint64(_DIGIT_BITS * digit)
        if counts[digit, (keys[begin] >> shift) & mask] == end - begin:
            continue  # all have the same
        total = begin
        for value in range(1 << _DIGIT_BITS):
            counts[digit, value], total = total, total + counts[digit, value]
        for place in range(begin, end):
            value = (keys[place] >> shift) & mask
            target = counts[digit, value]
            counts[digit, value] += 1
            other_keys[target], other_order[target] = keys[place], order[place]
        keys[begin:end] = other_keys[begin:end]
        order[begin:end] = other_order[begin:end]


@compiled
def _sort_few(data: Any, ends: Any, order: Any, begin: int, end: int, depth: int) -> None:
    """Sorts a range of words by inserting one after the other."""
    for place in range(begin + 1, end):
        number = order[place]
        while place > begin and _is_less(data, ends, number, order[place - 1], depth):
            order[place] = order[place - 1]
            place -= 1
        order[place] = number


@compiled
def _is_less(data: Any, ends: Any, left: int, right: int, depth: int) -> Any:
    """Returns whether one word comes before another, of which so many bytes are equal."""
    at, other = ends[left] + depth, ends[right] + depth
    while at < ends[left + 1] and other < ends[right + 1]:
        if data[at] != data[other]:
            return data[at] < data[other]
        at += 1
        other += 1
    return other < ends[right + 1]
