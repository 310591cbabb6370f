"""Buckets, over which the rows of tables of counts are distributed.

A hash of the letters of a key determines its bucket. The hash does not depend on the order of the
letters, so a signature is in the same bucket as all its words.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow

from transforms.columns.passing import passed
from transforms.columns.tables import UInt64Array, letters_and_ends, order_of_numbers, take

#: A bucket, and a table of counts as it is passed on.
BucketOfCounts = tuple[int, bytes]
#: The default number of buckets. Counts can be added up only if their number of buckets is equal.
BUCKETS = 64

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
#: A pseudorandom number for each byte. The hash of a key is the upper half of their sum.
HASH_OF_BYTE = (np.arange(1, 257, dtype=np.uint64) * _MULTIPLIER) >> np.uint64(7)
HASH_OF_BYTE *= (HASH_OF_BYTE | np.uint64(1)) * _MULTIPLIER


def split_into_buckets(table: pyarrow.Table, buckets: int) -> Iterator[BucketOfCounts]:
    """Splits a table of counts into buckets; yields those that have rows.

    Args:
      table: the counts.
      buckets: the number of buckets.
    """
    if not table.num_rows:
        return
    numbers = _letter_hashes(table["key"].combine_chunks()) % np.uint64(buckets)
    order = order_of_numbers(numbers, buckets)
    table, numbers = take(table, order), numbers[order]
    present, begins = np.unique(numbers, return_index=True)
    ends = [*begins[1:], len(numbers)]
    for bucket, begin, end in zip(present, begins, ends, strict=True):
        yield int(bucket), passed(table.slice(begin, end - begin))


def _letter_hashes(keys: pyarrow.Array) -> UInt64Array:
    """Returns for each key a hash that depends on its letters, but not on their order.

    The hash is a sum of numbers for each byte: keys with the same letters have the same bytes.
    """
    letters, ends = letters_and_ends(keys)
    of_letters = HASH_OF_BYTE[letters[ends[0] : ends[-1]]]
    sums: UInt64Array = np.add.reduceat(of_letters, ends[:-1] - ends[0])
    return sums >> np.uint64(32)
