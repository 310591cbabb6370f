"""Tables of counts and of records: Arrow columns, so that thousands of rows move as one element.

Between stages a table is bytes, in Arrow's format for streams. The rows of a table of counts are
distributed over **buckets** by a hash of the letters of their keys. The hash does not depend on the
order of the letters, so a signature is in the same bucket as all its words.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

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
#: What precedes the columns of either if words are counted by group.
GROUP = pyarrow.field("group", pyarrow.large_string())
#: A bucket, and the bytes of a table of counts.
BucketOfCounts = tuple[int, bytes]

#: How many buckets there are by default. Counts that are added up must have the same number.
BUCKETS = 64
#: Tables of so few rows are treated without `pyarrow.compute`, which takes longer to load.
SMALL = 1 << 10

Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]

_COMPRESSED = pyarrow.ipc.IpcWriteOptions(compression="lz4")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
#: By byte, a number as good as random. The hash of a key is the upper half of their sum.
HASH_OF_BYTE = (np.arange(1, 257, dtype=np.uint64) * _MULTIPLIER) >> np.uint64(7)
HASH_OF_BYTE *= (HASH_OF_BYTE | np.uint64(1)) * _MULTIPLIER


class RecordColumns(NamedTuple):
    """Many records as one element.

    Attributes:
      data: the bytes of a table of records, see `to_bytes`.
    """

    data: bytes


class GroupedColumns(NamedTuple):
    """Many records of groups as one element.

    Attributes:
      data: the bytes of a table of records, whose first column is `GROUP`.
    """

    data: bytes


def with_groups(table: pyarrow.Table, groups: Sequence[str]) -> pyarrow.Table:
    """Returns a table with the group of each row."""
    return table.add_column(0, GROUP, pyarrow.array(groups, GROUP.type))


def with_group(table: pyarrow.Table, group: str) -> pyarrow.Table:
    """Returns a table of counts of one group."""
    groups = pyarrow.repeat(pyarrow.scalar(group, GROUP.type), table.num_rows)
    return table.add_column(0, GROUP, groups)


def with_groups_of(table: pyarrow.Table, other: pyarrow.Table) -> pyarrow.Table:
    """Returns a table with the groups, if any, of another that has the same rows."""
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


def take(table: pyarrow.Table, rows: Int64Array, small: int = SMALL) -> pyarrow.Table:
    """Returns some rows of a table, in the given order.

    Args:
      table: whose rows are taken.
      rows: their numbers.
      small: so few rows are taken without `pyarrow.compute`, which takes longer to load.
    """
    if len(rows) > small:
        return table.take(pyarrow.array(rows))
    wanted = rows.tolist()
    columns = [
        pyarrow.array([column[row] for row in wanted], column.type) for column in table.columns
    ]
    return pyarrow.table(columns, table.schema)


def split_into_buckets(table: pyarrow.Table, buckets: int) -> Iterator[BucketOfCounts]:
    """Yields each bucket that has rows of a table of counts, with these rows.

    Args:
      table: the counts.
      buckets: how many buckets there are.
    """
    if not table.num_rows:
        return
    numbers = _letter_hashes(table["key"].combine_chunks()) % np.uint64(buckets)
    if buckets <= 1 << 16:
        numbers = numbers.astype(np.uint16)  # which are sorted much faster
    order = np.argsort(numbers, kind="stable")
    table, numbers = take(table, order), numbers[order]
    present, begins = np.unique(numbers, return_index=True)
    ends = [*begins[1:], len(numbers)]
    for bucket, begin, end in zip(present, begins, ends, strict=True):
        yield int(bucket), to_bytes(table.slice(begin, end - begin))


def letters_and_ends(strings: pyarrow.Array) -> tuple[npt.NDArray[np.uint8], Int64Array]:
    """Returns the bytes of an array of large strings, and where each ends.

    Returns:
      The bytes, and the ends behind a number for where the first string begins.
    """
    _, offsets, data = strings.buffers()
    ends = np.frombuffer(offsets, np.int64)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(data or b"", np.uint8), ends


def strings_of(letters: npt.NDArray[np.uint8], ends: Int64Array) -> pyarrow.Array:
    """Returns the array of which `letters_and_ends` gives these; it shares their memory."""
    return pyarrow.LargeStringArray.from_buffers(
        ends.size - 1, pyarrow.py_buffer(ends), pyarrow.py_buffer(letters)
    )


def _letter_hashes(keys: pyarrow.Array) -> UInt64Array:
    """Returns for each key a hash that depends on its letters, but not on their order.

    Keys with the same letters have the same bytes in UTF-8, so it adds up a number for each byte.
    """
    letters, ends = letters_and_ends(keys)
    of_letters = HASH_OF_BYTE[letters[ends[0] : ends[-1]]]
    sums: UInt64Array = np.add.reduceat(of_letters, ends[:-1] - ends[0])
    return sums >> np.uint64(32)


def to_bytes(table: pyarrow.Table) -> bytes:
    """Returns a table as bytes, compressed: several stages may hold a copy of it."""
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)
    columns: bytes = sink.getvalue().to_pybytes()
    return columns


def from_bytes(columns: bytes) -> pyarrow.Table:
    """Returns the table of which `to_bytes` made some bytes."""
    return pyarrow.ipc.open_stream(columns).read_all()
