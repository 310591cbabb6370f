"""Sorts tables of records, and splits many tables into parts that can be sorted one by one.

Rows sampled at even distances determine the boundaries of parts. The rows of each table are then
arranged by part. Parts are independent of each other, so several threads can sort them, and besides
the tables only the parts being sorted take memory.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow

from transforms.columns.tables import GROUP, SMALL, Int64Array, order_of_numbers, take
from transforms.stages.threads import map_in_order

#: The orders of records: by word, or by count, greatest first and ties by word.
ORDERS = ("word", "count")
# How many rows are sampled for each part; more samples make the sizes of parts more even.
_SAMPLES = 32


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
    tables: list[pyarrow.Table], order: str, part_rows: int, threads: int = 1
) -> Iterator[pyarrow.Table]:
    """Splits tables into parts that follow each other in the order.

    Args:
      tables: tables of records. The list is emptied, so that each table is freed once arranged.
      order: one of `ORDERS`.
      part_rows: the approximate number of rows in a part.
      threads: how many cores to use.

    Yields:
      Each part, not sorted.
    """
    boundaries = _boundaries(tables, order, part_rows)
    if not boundaries:
        together = [table for table in tables if table.num_rows]
        tables.clear()
        if together:
            yield pyarrow.concat_tables(together)
        return

    def arranged(table: pyarrow.Table) -> tuple[pyarrow.Table, Int64Array]:
        return _arranged(table, boundaries, order)

    remaining = (tables.pop() for _ in range(len(tables)))
    all_arranged = list(map_in_order(arranged, remaining, threads))
    for part in range(len(boundaries) + 1):
        pieces = [
            table.slice(begins[part], begins[part + 1] - begins[part])
            for table, begins in all_arranged
            if begins[part] < begins[part + 1]
        ]
        if pieces:
            yield pyarrow.concat_tables(pieces)


def _boundaries(
    tables: Sequence[pyarrow.Table], order: str, part_rows: int
) -> list[tuple[Any, ...]]:
    """Returns the first row of each part except the first part, as values of `_Rows`."""
    if sum(table.num_rows for table in tables) <= part_rows:
        return []
    step = max(part_rows // _SAMPLES, 1)
    samples = []
    first = 0
    for table in tables:
        rows = _Rows(table, order)
        samples += [rows[row] for row in range(first, len(rows), step)]
        first = (first - len(rows)) % step
    return sorted(samples)[_SAMPLES::_SAMPLES]


def _arranged(
    table: pyarrow.Table, boundaries: Sequence[tuple[Any, ...]], order: str
) -> tuple[pyarrow.Table, Int64Array]:
    """Returns a table with its rows arranged by part, and the offsets of parts and of the end."""
    from transforms.kernel.word_order import boundaries_before  # loads the compiler

    *firsts, words = zip(*boundaries, strict=True)
    keys, boundary_keys = [], []  # what is compared before the words
    if GROUP.name in table.column_names:
        groups = table[GROUP.name].combine_chunks().dictionary_encode()
        places, places_of_boundaries = _places(groups.dictionary.to_pylist(), firsts.pop(0))
        keys.append(places[groups.indices.to_numpy()])
        boundary_keys.append(places_of_boundaries)
    if order == "count":
        keys.append(-table["count"].to_numpy())
        boundary_keys.append(np.array(firsts.pop(0), np.int64))
    parts = boundaries_before(
        table["word"].combine_chunks(),
        keys,
        pyarrow.array(words, pyarrow.large_string()),
        boundary_keys,
    )
    begins = np.concatenate([[0], np.cumsum(np.bincount(parts, minlength=len(boundaries) + 1))])
    order_of_parts = order_of_numbers(parts, len(boundaries) + 1)
    return table.take(pyarrow.array(order_of_parts)), begins


def _places(names: Sequence[str], boundaries: Sequence[str]) -> tuple[Int64Array, Int64Array]:
    """Returns numbers for names and boundaries that compare like the names do."""
    distinct = sorted(set(boundaries))

    def place(name: str) -> int:
        at = bisect_left(distinct, name)
        return 2 * at + (distinct[at : at + 1] == [name])

    return np.array([*map(place, names)], np.int64), np.array([*map(place, boundaries)], np.int64)


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
