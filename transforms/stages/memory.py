"""Gives memory that is free back to the system."""

import ctypes


def release_free_memory() -> None:
    """Makes the C library give back what it keeps for later, after much has been freed.

    The library of GNU has a heap for each thread, and keeps what is freed between other things.
    Where there is another library, nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
