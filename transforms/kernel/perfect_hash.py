"""A perfect hash: it assigns each of a set of numbers its own slot in a small table.

There is a family of hash functions. The numbers are put into buckets, of about three numbers each.
One after the other, the largest bucket first, each bucket chooses the first function of the family
that leads all its numbers to slots which are still free. To find a number takes its bucket's choice
and a look at a single slot.

This is "hash and displace": R. Pagh, "Hash and Displace" (1999); Belazzougui, Botelho and
Dietzfelbinger, "Hash, Displace, and Compress" (2009). The functions multiply by an odd number:
Dietzfelbinger and others, "A Reliable Randomized Algorithm for the Closest-Pair Problem" (1997).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.columns.tables import order_of_numbers
from transforms.kernel.letter_weights import Int64Array, UInt64Array
from transforms.kernel.loops import MULTIPLIERS, bucket_of, slot_of


class PerfectHash(NamedTuple):
    """Where some numbers are.

    Attributes:
      bits: there are 2**bits slots, and a quarter as many buckets.
      choices: by bucket, the number of the function that it has chosen.
      slots: the slot of each number, in the order in which the numbers were given.
    """

    bits: int
    choices: npt.NDArray[np.uint16]
    slots: Int64Array


def perfect_hash(numbers: UInt64Array) -> PerfectHash:
    """Finds a slot for each number, in a table of which they fill three eighths to three quarters.

    Args:
      numbers: distinct numbers other than 0, whose bits are as good as random, see
        `transforms.kernel.loops.mix`.

    Raises:
      ValueError: if two numbers are equal.
    """
    bits = max((4 * len(numbers) // 3).bit_length(), 3)
    choices = np.zeros(1 << (bits - 2), np.uint16)
    slots = np.empty(len(numbers), np.int64)
    taken_by = np.full(1 << bits, -1)
    buckets = bucket_of(numbers, bits).astype(np.int64)
    sizes = np.bincount(buckets)
    in_order = order_of_numbers(buckets, 1 << (bits - 2))
    begins = np.cumsum(sizes) - sizes
    for size in range(int(sizes.max()), 0, -1):
        left = np.flatnonzero(sizes == size)
        members = in_order[begins[left][:, None] + np.arange(size)]  # a row for each bucket
        for choice in range(len(MULTIPLIERS)):
            if not left.size:
                break
            wanted = slot_of(numbers[members], choice, bits).astype(np.int64)
            done = _take_slots(taken_by, wanted, members)
            choices[left[done]] = choice
            slots[members[done]] = wanted[done]
            left, members = left[~done], members[~done]
        else:
            raise ValueError("two numbers are equal")
    return PerfectHash(bits, choices, slots)


def _take_slots(
    taken_by: Int64Array, slots: Int64Array, members: Int64Array
) -> npt.NDArray[np.bool_]:
    """Takes the slots of each row, if all of them are free.

    Args:
      taken_by: by slot, the number that has it, or -1. Changed in place.
      slots: the slots that are wanted, with a row for each bucket.
      members: the numbers that want them, in the same places.

    Returns:
      For each row, whether it has its slots now.
    """
    has_all: npt.NDArray[np.bool_] = np.all(taken_by[slots] < 0, axis=1)
    slots, members = slots[has_all], members[has_all]
    taken_by[slots] = members  # of several numbers that want a slot, the last one gets it
    got = taken_by[slots] == members
    has_all[has_all] = got_all = np.all(got, axis=1)
    taken_by[slots[got & ~got_all[:, None]]] = -1
    return has_all
