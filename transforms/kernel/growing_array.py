"""Arrays that become longer; where the system can move memory, their values are not copied."""

import contextlib
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

# Arrays of more bytes get memory of their own.
_LARGE = 1 << 18


class GrowingArray:
    """An array that can become longer.

    The memory of a large one goes back to the system as soon as it is free. The allocator of the C
    library would keep it in heaps, of which each thread has its own. Where the system has larger
    pages it is asked for them, because words are all over the place.

    Args:
      size: how many values it has at first.
      dtype: their type.

    Attributes:
      values: the array; new values may be anything. After `grow` it is another one.
    """

    def __init__(self, size: int, dtype: npt.DTypeLike):
        self._dtype = np.dtype(dtype)
        self._allocate(size)

    def grow(self, size: int) -> None:
        """Makes the array longer. If something else still uses the old one, it gets a copy."""
        if self._memory is not None:
            del self.values  # memory that is used is not moved
            # Something else uses it, or the system cannot move it.
            with contextlib.suppress(BufferError, OSError, SystemError):
                self._memory.resize(size * self._dtype.itemsize)
            self._map(self._memory)
        old = self.values
        if old.size < size:
            self._allocate(size)
            self.values[: old.size] = old

    def _allocate(self, size: int) -> None:
        self._memory: mmap.mmap | None = None
        self.values: npt.NDArray[Any]
        size_in_bytes = size * self._dtype.itemsize
        if size_in_bytes <= _LARGE:
            self.values = np.empty(size, self._dtype)
            return
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory = mmap.mmap(-1, size_in_bytes, flags=flags)
        self._map(self._memory)

    def _map(self, memory: mmap.mmap) -> None:
        if hasattr(mmap, "MADV_HUGEPAGE"):  # on Linux
            with contextlib.suppress(OSError):  # a kernel without them
                memory.madvise(mmap.MADV_HUGEPAGE)
        self.values = np.frombuffer(memory, self._dtype)
