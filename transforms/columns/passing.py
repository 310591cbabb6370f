"""Passes tables of counts or records from one stage to a later one.

An element has the bytes of a table, see `transforms.columns.packing`. But if all stages work in one
process, tables can stay where they are: the element has only a token, so that the runner, which
copies elements several times, has nothing to copy.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator

import pyarrow

from transforms.columns.packing import from_bytes, to_bytes

# A token begins with this, as the bytes of no table do.
_TOKEN = b"table "
# The tables that are passed on within this process, by their tokens.
_tables: dict[bytes, pyarrow.Table] = {}
_numbers = itertools.count()
_is_one_process = False


@contextlib.contextmanager
def within_one_process() -> Iterator[None]:
    """Inside the ``with`` block, tables are passed on by tokens.

    All pipelines that run in this process then must have all their workers in it, and must not
    process an element twice, because a table is freed when it has been used.
    """
    global _is_one_process
    _is_one_process = True
    try:
        yield
    finally:
        _is_one_process = False
        _tables.clear()


def passed(table: pyarrow.Table) -> bytes:
    """Returns a table as an element for one other stage."""
    if not _is_one_process:
        return to_bytes(table)
    token = _TOKEN + str(next(_numbers)).encode()
    _tables[token] = table
    return token


def received(element: bytes) -> pyarrow.Table:
    """Returns the table that was `passed`."""
    return _tables[element] if element.startswith(_TOKEN) else from_bytes(element)


def done_with(elements: Iterable[bytes]) -> None:
    """Frees tables that have been received, and will not be received again."""
    for element in elements:
        _tables.pop(element, None)


def size_of(element: bytes) -> int:
    """Returns about how many bytes a table that was `passed` has."""
    return int(_tables[element].nbytes) if element.startswith(_TOKEN) else len(element)
