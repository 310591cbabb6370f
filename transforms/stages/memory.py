"""Controls when the C library returns free memory to the system."""

import ctypes
import os

# Parameters of `mallopt`: M_MMAP_THRESHOLD, the size from which on each allocation is mapped by the
# system, and M_TRIM_THRESHOLD, the amount of free memory that is kept.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_LARGEST_KEPT, _MOST_KEPT = 1 << 25, 1 << 27


def keep_free_memory() -> None:
    """Makes the C library keep more free memory, for the whole process.

    Blocks of text and tables of many megabytes are allocated and freed all the time. By default
    most of this memory is returned to the system, which must clear every page before its next use.
    Does nothing if the C library is not glibc.

    Arrow, if it is loaded later, also allocates memory from the C library. Its default allocator
    would keep free memory of its own in addition.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    set_parameter = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_parameter is not None:
        set_parameter(_MMAP_THRESHOLD, _LARGEST_KEPT)
        set_parameter(_TRIM_THRESHOLD, _MOST_KEPT)


def release_free_memory() -> None:
    """Makes the C library return free memory to the system, after much has been freed.

    glibc has a heap for each thread, and keeps memory that is freed between other allocations. Does
    nothing if the C library is not glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
