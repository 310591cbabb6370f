"""Each number has a slot of its own, and its bucket's choice leads there."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.kernel.letter_weights import Numbers
from transforms.kernel.loops import bucket_of, mixed, slot_of, spread
from transforms.kernel.perfect_hash import PerfectHash, perfect_hash

words = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).filter(any)


def looked_up(hashed: PerfectHash, numbers: Numbers) -> list[int]:
    """Where one who knows the choices only looks for `numbers`."""
    buckets = bucket_of(numbers, hashed.bits).astype(np.int64)
    return [int(slot) for slot in slot_of(numbers, hashed.choices[buckets], hashed.bits)]


def assert_perfect(numbers: Numbers) -> None:
    hashed = perfect_hash(numbers)
    slots = hashed.slots.tolist()
    assert looked_up(hashed, numbers) == slots
    assert len(set(slots)) == len(numbers)
    assert 0 <= min(slots) <= max(slots) < 1 << hashed.bits
    assert len(numbers) <= 0.75 * (1 << hashed.bits) <= max(6, 2 * len(numbers))


@given(st.sets(words, min_size=1, max_size=300))
@example({(n, 0) for n in range(1, 200)})
@example({(0, n) for n in range(1, 200)})
@example({(n << 57, 0) for n in range(1, 128)})
@example({(1 << n, 0) for n in range(64)} | {(0, 1 << n) for n in range(64)})
def test_every_word_has_its_slot(numbers: set[tuple[int, int]]) -> None:
    low, high = np.array(sorted(numbers), np.uint64).T
    assert_perfect(mixed(low, spread(high)))


@pytest.mark.parametrize("size", [95, 96, 97, 3071, 3072, 3073, 100_000])
def test_tables_as_full_as_they_get(size: int) -> None:
    """At 3/4 of a power of two the next larger table is taken."""
    generator = np.random.Generator(np.random.PCG64(size))
    assert_perfect(np.unique(generator.integers(1, 1 << 64, size, np.uint64)))


def test_equal_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="two numbers are equal"):
        perfect_hash(np.array([7, 5, 7], np.uint64))
