"""Encodes tables as bytes, in Arrow's streaming format, to pass them from one stage to the next.

Beam copies these bytes several times, so tables are **packed** and compressed. A packed table has
a single row:

- a column of strings becomes two values: all its letters as one binary value, and a list of the
  sizes in bytes, which compress better than Arrow's offsets;
- a column of numbers becomes a list, of the smallest type that can hold all of them.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow

from transforms.columns.tables import letters_and_ends, strings_of

_COMPRESSED = pyarrow.ipc.IpcWriteOptions(compression="lz4")
_SIZES = ".sizes"
_INTEGERS = tuple(np.iinfo(each) for each in ("int8", "int16", "int32", "int64"))


def to_bytes(table: pyarrow.Table) -> bytes:
    """Returns a table as bytes.

    Args:
      table: a table with columns of large strings and of 64-bit integers, without nulls.
    """
    packed = _pack(table)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, packed.schema, options=_COMPRESSED) as writer:
        writer.write_table(packed)
    columns: bytes = sink.getvalue().to_pybytes()
    return columns


def from_bytes(columns: bytes) -> pyarrow.Table:
    """Returns the table that `to_bytes` has encoded."""
    packed = pyarrow.ipc.open_stream(columns).read_all()
    return pyarrow.table(dict(_unpacked(packed)))


def _pack(table: pyarrow.Table) -> pyarrow.Table:
    columns: dict[str, pyarrow.Array] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.combine_chunks()
        if pyarrow.types.is_large_string(column.type):
            letters, ends = letters_and_ends(values)
            letters = letters[ends[0] : ends[-1]]
            columns[name] = pyarrow.LargeBinaryArray.from_buffers(
                pyarrow.large_binary(),
                1,
                [None, *map(pyarrow.py_buffer, (_ends(letters), letters))],
            )
            columns[name + _SIZES] = _as_list(np.diff(ends))
        else:
            columns[name] = _as_list(values.to_numpy())
    return pyarrow.table(columns)


def _unpacked(packed: pyarrow.Table) -> Iterator[tuple[str, pyarrow.Array]]:
    for name, column in zip(packed.column_names, packed.columns, strict=True):
        if name.endswith(_SIZES):
            continue
        (value,) = column.chunks
        if pyarrow.types.is_large_binary(column.type):
            letters, _ = letters_and_ends(value)
            sizes = packed[name + _SIZES].chunk(0).values.to_numpy()
            ends = np.zeros(sizes.size + 1, np.int64)
            np.cumsum(sizes, out=ends[1:])
            yield name, strings_of(letters, ends)
        else:
            yield name, pyarrow.array(value.values.to_numpy().astype(np.int64))


def _as_list(numbers: npt.NDArray[np.int64]) -> pyarrow.Array:
    """Returns an array of one list, of the smallest type that can hold all numbers."""
    if numbers.size:
        least, greatest = numbers.min(), numbers.max()
        smallest = next(each for each in _INTEGERS if each.min <= least and greatest <= each.max)
        numbers = numbers.astype(smallest.dtype)
    return pyarrow.LargeListArray.from_arrays(_ends(numbers), pyarrow.array(numbers))


def _ends(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Returns the offsets at which the only list of an array begins and ends."""
    return np.array([0, values.size], np.int64)
