"""How functions of this package are compiled. Loads the compiler, which takes a while."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function; other processes will load its machine code from a cache of files.

    The cache of a function is not renewed when a function of another file that it calls is changed.
    Compiled functions that call each other should therefore stand in one file.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # there is no folder in which the cache can be written
        return numba.njit(nogil=True)(function)
