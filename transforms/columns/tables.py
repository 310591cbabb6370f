"""Tables of counts and of records: Arrow columns, so that thousands of rows move as one element.

How a table is passed on between stages: see `transforms.columns.passing`.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow

#: The columns of a table of counts: keys, which are signatures or words, and how often each occurs.
COUNTS = pyarrow.schema([("key", pyarrow.large_string()), ("count", pyarrow.int64())])
#: The columns of a table of records, see `transforms.expand.AnagramCount`.
RECORDS = pyarrow.schema(
    [
        ("word", pyarrow.large_string()),
        ("count", pyarrow.int64()),
        ("signature", pyarrow.large_string()),
    ]
)
#: The column that precedes those of either table if words are counted by group.
GROUP = pyarrow.field("group", pyarrow.large_string())

#: Tables with at most this many rows are processed without `pyarrow.compute`, which loads slowly.
SMALL = 1 << 10

Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]


def with_groups(table: pyarrow.Table, groups: Sequence[str]) -> pyarrow.Table:
    """Returns a table with the group of each row."""
    return table.add_column(0, GROUP, pyarrow.array(groups, GROUP.type))


def with_group(table: pyarrow.Table, group: str) -> pyarrow.Table:
    """Returns a table of counts of one group."""
    groups = pyarrow.repeat(pyarrow.scalar(group, GROUP.type), table.num_rows)
    return table.add_column(0, GROUP, groups)


def with_groups_of(table: pyarrow.Table, other: pyarrow.Table) -> pyarrow.Table:
    """Returns a table with the groups, if any, of another table with the same rows."""
    if GROUP.name not in other.column_names:
        return table
    return table.add_column(0, GROUP, other[GROUP.name])


def counts_table(keys: Iterable[str], counts: Iterable[int]) -> pyarrow.Table:
    """Returns a table of counts.

    Args:
      keys: signatures or words; none is empty.
      counts: how often each occurs.
    """
    columns = pyarrow.array(keys, pyarrow.large_string()), pyarrow.array(counts, pyarrow.int64())
    return pyarrow.table(columns, COUNTS)


def records_table(
    words: Iterable[str], counts: Iterable[int], signatures: Iterable[str]
) -> pyarrow.Table:
    """Returns a table of records."""
    columns = map(pyarrow.array, (words, counts, signatures), RECORDS.types)
    return pyarrow.table(list(columns), RECORDS)


def words_of(records: pyarrow.Table) -> list[tuple[str, ...]]:
    """Returns the word of each record in a table, with groups preceded by its group."""
    names = [name for name in (GROUP.name, "word") if name in records.column_names]
    return list(zip(*(records[name].to_pylist() for name in names), strict=True))


def take(table: pyarrow.Table, rows: Int64Array, small: int = SMALL) -> pyarrow.Table:
    """Returns some rows of a table, in the given order.

    Args:
      table: the table.
      rows: the indices of the rows.
      small: at most this many rows are taken without `pyarrow.compute`, which loads slowly.
    """
    if len(rows) > small:
        return table.take(pyarrow.array(rows))
    wanted = rows.tolist()
    columns = [
        pyarrow.array([column[row] for row in wanted], column.type) for column in table.columns
    ]
    return pyarrow.table(columns, table.schema)


def order_of_numbers(numbers: Int64Array | UInt64Array, end: int) -> Int64Array:
    """Returns the indices that sort numbers from 0 up to `end`; the sort is stable.

    Numbers of 16 bits are sorted digit by digit, which is much faster than comparing them.
    """
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    for shift in range(16, (end - 1).bit_length(), 16):
        digits = (numbers[order] >> numbers.dtype.type(shift)).astype(np.uint16)
        order = order[np.argsort(digits, kind="stable")]
    return order


def letters_and_ends(strings: pyarrow.Array) -> tuple[npt.NDArray[np.uint8], Int64Array]:
    """Returns the bytes of an array of large strings, and their offsets.

    Returns:
      The bytes; and the offset at which the first string begins, followed by the ends of all.
    """
    _, offsets, data = strings.buffers()
    ends = np.frombuffer(offsets, np.int64)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(data or b"", np.uint8), ends


def strings_of(letters: npt.NDArray[np.uint8], ends: Int64Array) -> pyarrow.Array:
    """Returns the array of strings with these bytes and offsets; the inverse of `letters_and_ends`.

    The array shares their memory.
    """
    return pyarrow.LargeStringArray.from_buffers(
        ends.size - 1, pyarrow.py_buffer(ends), pyarrow.py_buffer(letters)
    )
