"""An array that grows keeps its values; what else uses the old one keeps that."""

import itertools
import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernel.growing_array import GrowingArray


@given(
    sizes=st.lists(st.integers(1, 300_000), min_size=1, max_size=5),
    dtype=st.sampled_from([np.uint8, np.int32, np.uint64]),
    is_used=st.booleans(),
)
def test_values_are_kept(sizes: list[int], dtype: type, is_used: bool) -> None:
    sizes.sort()
    array = GrowingArray(sizes[0], dtype)
    array.values[:] = np.arange(sizes[0]).astype(dtype)
    views = []
    for before, size in itertools.pairwise(sizes):
        if is_used:
            views.append(array.values[:before])
        array.grow(size)
        assert array.values.size >= size
        array.values[before:] = np.arange(before, array.values.size).astype(dtype)
    assert (array.values == np.arange(array.values.size).astype(dtype)).all()
    for view in views:
        assert (view == np.arange(view.size).astype(dtype)).all()


@pytest.mark.parametrize("error", [SystemError, OSError])
def test_where_memory_cannot_be_moved_it_is_copied(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Immovable(mmap.mmap):
        def resize(self, size: int) -> None:
            raise error

    monkeypatch.setattr(mmap, "mmap", Immovable)
    array = GrowingArray(1 << 19, np.uint8)
    array.values[:] = 7
    array.grow(1 << 20)
    assert (array.values[: 1 << 19] == 7).all()
    assert array.values.size == 1 << 20
