"""Compares and sorts words by their code points, in compiled code. Loads the compiler.

UTF-8 sorts as the code points do that it encodes. The first 8 bytes of each word make a number, and
the numbers are sorted, digit by digit. Words for which they are equal are sorted by what follows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow

from transforms.columns.tables import Int64Array, letters_and_ends
from transforms.kernel.compiling import compiled, compiled_into_callers

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


def boundaries_before(
    words: pyarrow.Array,
    keys: Sequence[Int64Array],
    boundary_words: pyarrow.Array,
    boundary_keys: Sequence[Int64Array],
) -> Int64Array:
    """Returns for each row how many boundaries are at it or before it.

    Args:
      words: of the rows.
      keys: numbers of the rows, which are compared before the words.
      boundary_words: of the boundaries, which are sorted.
      boundary_keys: of the boundaries, as many as there are of the rows.
    """
    data, ends = letters_and_ends(words)
    boundary_data, boundary_ends = letters_and_ends(boundary_words)
    numbers = np.empty(len(words), np.int64)
    _count_before(
        data,
        ends,
        np.array(keys, np.int64).reshape(len(keys), len(words)),
        boundary_data,
        boundary_ends,
        np.array(boundary_keys, np.int64).reshape(len(keys), len(boundary_words)),
        numbers,
    )
    return numbers


@compiled
def _count_before(
    data: Any,
    ends: Any,
    keys: Any,
    boundary_data: Any,
    boundary_ends: Any,
    boundary_keys: Any,
    numbers: Any,
) -> None:
    heads = np.empty(boundary_ends.size - 1, np.uint64)
    for boundary in range(heads.size):
        heads[boundary] = _key(boundary_data, boundary_ends[boundary], boundary_ends[boundary + 1])
    for row in range(numbers.size):
        begin, end = ends[row], ends[row + 1]
        head = _key(data, begin, end)
        low, high = 0, heads.size
        while low < high:
            middle = (low + high) // 2
            difference = 0
            for column in range(keys.shape[0]):
                if difference == 0:
                    difference = keys[column, row] - boundary_keys[column, middle]
            if difference == 0 and head != heads[middle]:
                difference = -1 if head < heads[middle] else 1
            if difference == 0:
                difference = _difference(
                    data,
                    begin,
                    end,
                    boundary_data,
                    boundary_ends[middle],
                    boundary_ends[middle + 1],
                )
            if difference < 0:
                high = middle
            else:
                low = middle + 1
        numbers[row] = low


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


@compiled_into_callers
def _key(data: Any, at: int, stop: int) -> Any:
    """Returns 8 bytes as a number, with NULs for those beyond the end of the word."""
    key = np.uint64(0)
    for index in range(8):
        byte = data[at + index] if at + index < stop else 0
        key = key << np.uint64(8) | np.uint64(byte)
    return key


@compiled_into_callers
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
        for place in range(begin, end):  # numba takes long to compile assignments of slices
            keys[place], order[place] = other_keys[place], other_order[place]


@compiled_into_callers
def _sort_few(data: Any, ends: Any, order: Any, begin: int, end: int, depth: int) -> None:
    """Sorts a range of words by inserting one after the other."""
    for place in range(begin + 1, end):
        number = order[place]
        at, stop = ends[number] + depth, ends[number + 1]
        while place > begin:
            other = order[place - 1]
            if _difference(data, at, stop, data, ends[other] + depth, ends[other + 1]) >= 0:
                break
            order[place] = other
            place -= 1
        order[place] = number


@compiled_into_callers
def _difference(
    data: Any, at: int, stop: int, other_data: Any, other_at: int, other_stop: int
) -> Any:
    """Compares two words; returns a negative number if the first one comes first, 0 if equal."""
    while at < stop and other_at < other_stop:
        if data[at] != other_data[other_at]:
            return np.int64(data[at]) - np.int64(other_data[other_at])
        at += 1
        other_at += 1
    return (stop - at) - (other_stop - other_at)
