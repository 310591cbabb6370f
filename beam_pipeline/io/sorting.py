"""Sorts tables of records, and merges many sorted tables with little memory besides them.

Sorted tables are merged part by part. Some of their rows, taken at even distances, say where parts
begin; each table is cut there, by binary search; and what all tables have in a part is put together
and sorted. Parts are independent of each other, so several threads can work on them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow

from transforms.columns.tables import GROUP, SMALL, take
from transforms.stages.threads import OrderedThreads

#: How records can be sorted: by their words, or the greatest counts first and equal ones by word.
ORDERS = ("word", "count")
# So many rows of each table are looked at for a part.
_SAMPLES = 16

T = TypeVar("T")
R = TypeVar("R")


def sort(table: pyarrow.Table, order: str) -> pyarrow.Table:
    """Returns a table of records, sorted.

    Args:
      table: has columns ``word`` and ``count``. Words are compared by their code points. If it has
        ``group`` too, that comes first, whatever the order.
      order: one of `ORDERS`.
    """
    table = table.combine_chunks()
    if table.num_rows <= SMALL:
        return take(
            table,
            np.array(sorted(range(table.num_rows), key=_Rows(table, order).__getitem__), np.int64),
        )
    from transforms.kernel.word_order import order_of_words  # loads the compiler

    rows = order_of_words(table["word"].combine_chunks())
    if order == "count":
        rows = rows[np.argsort(-table["count"].to_numpy()[rows], kind="stable")]
    if GROUP.name in table.column_names:
        groups = table[GROUP.name].combine_chunks().dictionary_encode()
        ranks = np.argsort(order_of_words(groups.dictionary))[groups.indices.to_numpy()]
        rows = rows[np.argsort(ranks[rows], kind="stable")]
    return table.take(pyarrow.array(rows))


def split_into_parts(
    tables: Sequence[pyarrow.Table], order: str, part_rows: int
) -> Iterator[pyarrow.Table]:
    """Splits sorted tables into parts, of which each comes before the next one in the order.

    Args:
      tables: each is sorted.
      order: one of `ORDERS`.
      part_rows: about how many rows a part shall have.

    Yields:
      Each part, not sorted, with all rows of one table after those of another.
    """
    step = max(part_rows // _SAMPLES, 1)
    rows = [_Rows(table, order) for table in tables]
    samples = sorted(each[row] for each in rows for row in range(0, len(each), step))
    begins = [0] * len(tables)
    for boundary in [*samples[_SAMPLES::_SAMPLES], None]:
        ends = [len(each) if boundary is None else bisect_left(each, boundary) for each in rows]
        pieces = [
            table.slice(begin, end - begin)
            for table, begin, end in zip(tables, begins, ends, strict=True)
            if begin < end
        ]
        if pieces:
            yield pyarrow.concat_tables(pieces)
        begins = ends


class _Rows(Sequence[tuple[Any, ...]]):
    """The rows of a table, as values that compare in the order of the table."""

    def __init__(self, table: pyarrow.Table, order: str):
        self._words, self._counts = table["word"], table["count"]
        self._groups = table[GROUP.name] if GROUP.name in table.column_names else None
        self._is_by_count = order == "count"

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, row: Any) -> Any:
        word = self._words[row].as_py()
        key = (-self._counts[row].as_py(), word) if self._is_by_count else (word,)
        return key if self._groups is None else (self._groups[row].as_py(), *key)


def map_in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Like `map`, but several threads work ahead, and no further than memory needs to hold.

    Args:
      function: releases Python's lock most of the time.
      items: what to apply it to.
      threads: how many; with one, everything is done in the caller's.
    """
    working: OrderedThreads[R] = OrderedThreads(threads)
    try:
        for item in items:
            working.submit(function, item)
            yield from working.results(wait=False)
        yield from working.results(wait=True)
    finally:
        working.close()
