"""Each number has a slot of its own, to which the choice of its bucket leads."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.kernel.letter_weights import UInt64Array
from transforms.kernel.loops import bucket_of, mix, scramble, slot_of
from transforms.kernel.perfect_hash import PerfectHash, perfect_hash

pairs = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).filter(any)


def looked_up(hashed: PerfectHash, numbers: UInt64Array) -> list[int]:
    """Returns the slots of `numbers`, found by the choices alone."""
    buckets = bucket_of(numbers, hashed.bits).astype(np.int64)
    return [int(slot) for slot in slot_of(numbers, hashed.choices[buckets], hashed.bits)]


def assert_perfect(numbers: UInt64Array) -> None:
    hashed = perfect_hash(numbers)
    slots = hashed.slots.tolist()
    assert looked_up(hashed, numbers) == slots
    assert len(set(slots)) == len(numbers)
    assert 0 <= min(slots) <= max(slots) < 1 << hashed.bits
    assert len(numbers) <= 0.75 * (1 << hashed.bits) <= max(6, 2 * len(numbers))


@given(st.sets(pairs, min_size=1, max_size=300))
@example({(n, 0) for n in range(1, 200)})
@example({(0, n) for n in range(1, 200)})
@example({(n << 57, 0) for n in range(1, 128)})
@example({(1 << n, 0) for n in range(64)} | {(0, 1 << n) for n in range(64)})
def test_every_number_has_its_slot(numbers: set[tuple[int, int]]) -> None:
    low, high = np.array(sorted(numbers), np.uint64).T
    assert_perfect(mix(low, scramble(high)))


@pytest.mark.parametrize("size", [95, 96, 97, 3071, 3072, 3073, 100_000])
def test_the_fullest_and_the_emptiest_tables_are_perfect(size: int) -> None:
    """A table that would be filled to more than three quarters is made twice as large."""
    generator = np.random.Generator(np.random.PCG64(size))
    assert_perfect(np.unique(generator.integers(1, 1 << 64, size, np.uint64)))


def test_equal_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="two numbers are equal"):
        perfect_hash(np.array([7, 5, 7], np.uint64))
