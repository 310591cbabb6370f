"""How functions of this package are compiled. Loads the compiler, which takes a while."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function; other processes will load its machine code from a cache of files.

    The cache of a function is not invalidated when a function in another file that it calls is
    changed. Compiled functions that call each other should therefore be in one file.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # there is no folder in which the cache can be written
        return compiled_into_callers(function)


def compiled_into_callers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function that only compiled ones of its file call; their cache has its code."""
    return numba.njit(nogil=True)(function)
