"""A slot of its own for each of some numbers, in a table that is not much larger than they are.

There is a family of hash functions; the numbers are dealt out to buckets, about three to each;
and one after the other, the largest first, the buckets choose a function by which all their
numbers have slots that are still free. To find a number takes its bucket's choice and a look at
a single slot. Hash and displace: R. Pagh, "Hash and Displace" (1999); Belazzougui, Botelho and
Dietzfelbinger, "Hash, Displace, and Compress" (2009). The family is multiplication by an odd
number: Dietzfelbinger and others, "A Reliable Randomized Algorithm for the Closest-Pair Problem"
(1997).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.kernel.letter_weights import Ints, Numbers
from transforms.kernel.loops import MULTIPLIERS, bucket_of, slot_of


class PerfectHash(NamedTuple):
    """Where some numbers are.

    Attributes:
      bits: there are 2**bits slots, and a quarter as many buckets.
      choices: bucket -> number of its function.
      slots: of each number.
    """

    bits: int
    choices: npt.NDArray[np.uint16]
    slots: Ints


def perfect_hash(numbers: Numbers) -> PerfectHash:
    """Distinct numbers -> slots, of which they fill three in eight to three in four.

    Args:
      numbers: not 0, of bits as good as random, see `transforms.kernel.loops.mixed`.

    Raises:
      ValueError: two numbers are equal.
    """
    bits = max((4 * len(numbers) // 3).bit_length(), 3)
    choices = np.zeros(1 << (bits - 2), np.uint16)
    slots = np.empty(len(numbers), np.int64)
    taken_by = np.full(1 << bits, -1)
    buckets = bucket_of(numbers, bits).astype(np.int64)
    sizes = np.bincount(buckets)
    in_order = np.argsort(buckets, kind="stable")
    begins = np.cumsum(sizes) - sizes
    for size in range(int(sizes.max()), 0, -1):
        left = np.flatnonzero(sizes == size)
        members = in_order[begins[left][:, None] + np.arange(size)]  # a row for each bucket
        for choice in range(len(MULTIPLIERS)):
            if not left.size:
                break
            wanted = slot_of(numbers[members], choice, bits).astype(np.int64)
            done = _take(taken_by, wanted, members)
            choices[left[done]] = choice
            slots[members[done]] = wanted[done]
            left, members = left[~done], members[~done]
        else:
            raise ValueError("two numbers are equal")
    return PerfectHash(bits, choices, slots)


def _take(taken_by: Ints, slots: Ints, members: Ints) -> npt.NDArray[np.bool_]:
    """Takes for each row of `members` its `slots`, if all are free; -> whether it has them now."""
    has_all: npt.NDArray[np.bool_] = np.all(taken_by[slots] < 0, axis=1)
    slots, members = slots[has_all], members[has_all]
    taken_by[slots] = members  # of several that want a slot, the last gets it
    got = taken_by[slots] == members
    has_all[has_all] = got_all = np.all(got, axis=1)
    taken_by[slots[got & ~got_all[:, None]]] = -1
    return has_all
