"""Counts as Arrow columns, so that thousands of them move as one element.

A table of counts has a column of keys, which are signatures or words, and a column of counts. Its
rows are distributed over **buckets** by a hash of the letters of their keys, which does not depend
on the order of the letters: a signature is in the same bucket as all its words. Between stages the
rows of a bucket are bytes, in Arrow's format for streams.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow
from apache_beam.pvalue import PCollection

from transforms.checks import check_positive
from transforms.counts import ClassTally
from transforms.expand import AnagramCount
from transforms.stages.bundles import in_global_window

COUNTS = pyarrow.schema([("key", pyarrow.large_string()), ("count", pyarrow.int64())])
RECORDS = pyarrow.schema(
    [
        ("word", pyarrow.large_string()),
        ("count", pyarrow.int64()),
        ("signature", pyarrow.large_string()),
    ]
)
#: A bucket and the bytes of a table of counts.
BucketOfCounts = tuple[int, bytes]
# By byte, a random number.
_MIXED = (np.arange(1, 257, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(7)
_MIXED *= _MIXED | np.uint64(1)


class RecordColumns(NamedTuple):
    """Records as columns: the bytes of a table like `RECORDS`."""

    data: bytes


def counts_table(keys: Iterable[str], counts: Iterable[int]) -> pyarrow.Table:
    """Returns a table of counts.

    Args:
      keys: signatures or words; none is empty.
      counts: how often each occurs.
    """
    columns = pyarrow.array(keys, pyarrow.large_string()), pyarrow.array(counts, pyarrow.int64())
    return pyarrow.table(columns, COUNTS)


def split_into_buckets(table: pyarrow.Table, buckets: int) -> Iterator[BucketOfCounts]:
    """Yields each bucket that has rows of a table of counts, with these rows.

    Args:
      table: the counts.
      buckets: how many buckets there are.
    """
    if not table.num_rows:
        return
    numbers = _letter_hashes(table["key"].combine_chunks()) % np.uint64(buckets)
    order = np.argsort(numbers, kind="stable")
    table, numbers = table.take(order), numbers[order]
    present, begins = np.unique(numbers, return_index=True)
    ends = [*begins[1:], len(numbers)]
    for bucket, begin, end in zip(present, begins, ends, strict=True):
        yield int(bucket), to_bytes(table.slice(begin, end - begin))


def letters_and_ends(strings: pyarrow.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Returns the bytes of an array of large strings, and where each ends.

    Returns:
      The bytes, and the ends behind a number for where the first string begins.
    """
    _, offsets, data = strings.buffers()
    ends = np.frombuffer(offsets, np.int64)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(data or b"", np.uint8), ends


def _letter_hashes(keys: pyarrow.Array) -> npt.NDArray[np.uint64]:
    """Returns for each key a hash that depends on its letters, but not on their order.

    Keys with the same letters have the same bytes in UTF-8, so it adds up a number for each byte.
    """
    data, ends = letters_and_ends(keys)
    sums = np.add.reduceat(_MIXED[data[ends[0] : ends[-1]]], ends[:-1] - ends[0])
    sums *= np.uint64(0x9E3779B97F4A7C15)
    return sums >> np.uint64(32)


def to_bytes(table: pyarrow.Table) -> bytes:
    """Returns a table as bytes."""
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    columns: bytes = sink.getvalue().to_pybytes()
    return columns


def from_bytes(columns: bytes) -> pyarrow.Table:
    """Returns the table of which `to_bytes` made some bytes."""
    return pyarrow.ipc.open_stream(columns).read_all()


@dataclass
class CombineColumns(beam.PTransform[PCollection[BucketOfCounts], PCollection[BucketOfCounts]]):
    """Merges the tables of each bucket into one that has each key once, with its sum.

    Attributes:
      max_unmerged_bytes: tables of a bucket are merged when those that are not merged yet have
        more than this, and more than the merged one.
    """

    max_unmerged_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(max_unmerged_bytes=self.max_unmerged_bytes)

    def expand(self, counts: PCollection[BucketOfCounts]) -> PCollection[BucketOfCounts]:
        fn = CombineColumnsFn(self.max_unmerged_bytes)
        return counts | "MergePerBucket" >> beam.CombinePerKey(fn).with_output_types(
            BucketOfCounts
        )


class CombineColumnsFn(beam.CombineFn):
    """Merges tables of counts. The accumulator is a list of their bytes."""

    def __init__(self, max_unmerged_bytes: int):
        self._max_unmerged_bytes = max_unmerged_bytes

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], columns: bytes) -> list[bytes]:
        accumulator.append(columns)
        merged, *unmerged = map(len, accumulator)
        is_small = sum(unmerged) < max(merged, self._max_unmerged_bytes)
        return accumulator if is_small else self.compact(accumulator)

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            for columns in accumulator:
                merged = self.add_input(merged, columns)
        return merged

    def compact(self, accumulator: list[bytes]) -> list[bytes]:
        if len(accumulator) < 2:
            return accumulator
        tables = pyarrow.concat_tables(map(from_bytes, accumulator))
        merged = tables.group_by("key", use_threads=False).aggregate([("count", "sum")])
        return [to_bytes(merged.select(["key", "count_sum"]).rename_columns(COUNTS.names))]

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        (columns,) = self.compact(accumulator)
        return columns


@dataclass
class ToColumns(beam.PTransform[PCollection[tuple[str, Any]], PCollection[BucketOfCounts]]):
    """Packs counts of signatures, or `ClassTally`s, into columns.

    Attributes:
      buckets: over how many buckets they are distributed.
    """

    buckets: int = 64

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, counts: PCollection[tuple[str, Any]]) -> PCollection[BucketOfCounts]:
        return counts | "PackCounts" >> beam.ParDo(_PackFn(self.buckets)).with_output_types(
            BucketOfCounts
        )


class _PackFn(beam.DoFn):
    def __init__(self, buckets: int):
        self._buckets = buckets

    def start_bundle(self) -> None:
        self._keys: list[str] = []
        self._counts: list[int] = []

    def process(self, element: tuple[str, int | ClassTally]) -> None:
        key, value = element
        if isinstance(value, int):
            self._keys.append(key)
            self._counts.append(value)
        else:  # only the sum over the words of a class matters
            count, words = value
            self._keys.extend(words)
            self._counts.extend([count, *[0] * (len(words) - 1)])

    def finish_bundle(self) -> Iterator[Any]:
        table = counts_table(self._keys, self._counts)
        yield from in_global_window(split_into_buckets(table, self._buckets))


class ToRecords(beam.PTransform[PCollection[RecordColumns], PCollection[AnagramCount]]):
    """Makes an element of each record in columns."""

    def expand(self, columns: PCollection[RecordColumns]) -> PCollection[AnagramCount]:
        return columns | "ToRecords" >> beam.FlatMap(_records).with_output_types(AnagramCount)


def _records(columns: RecordColumns) -> Iterator[AnagramCount]:
    table = from_bytes(columns.data)
    return map(AnagramCount, *(column.to_pylist() for column in table.columns))
