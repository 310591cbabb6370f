"""Distinct words with their counts as Arrow columns: millions of them move as a few elements.

Words are distributed over buckets by a hash of their letters that does not depend on their order,
so that all words of an anagram class are in one bucket.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow
from apache_beam.pvalue import PCollection

from transforms.counts import ClassTally
from transforms.text.signature import signature

_BUCKETS = 256
_MIX = np.uint64(0x9E3779B97F4A7C15)


def bucket_words(counts: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    """Yields (bucket, columns of words and counts) for each bucket that any word falls into.

    Args:
      counts: the occurrences of each distinct word; no word is empty.
    """
    if not counts:
        return
    words = list(counts)
    buckets = _buckets(words)
    order = np.argsort(buckets, kind="stable")
    table = pyarrow.table(
        {
            "word": pyarrow.array(words, pyarrow.large_string()),
            "count": pyarrow.array(counts.values(), pyarrow.int64(), size=len(words)),
        }
    ).take(order)
    present, begins = np.unique(buckets[order], return_index=True)
    ends = [*begins[1:], len(words)]
    for bucket, begin, end in zip(present, begins, ends, strict=True):
        yield int(bucket), _to_bytes(table.slice(begin, end - begin))


def _buckets(words: list[str]) -> npt.NDArray[np.uint64]:
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    mixed = (codes + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(29)
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    sums = np.add.reduceat(mixed * _MIX, np.cumsum(lengths) - lengths)
    return (sums * _MIX >> np.uint64(32)) % np.uint64(_BUCKETS)


def _to_bytes(table: pyarrow.Table) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    columns: bytes = sink.getvalue().to_pybytes()
    return columns


def _from_bytes(columns: bytes) -> pyarrow.Table:
    return pyarrow.ipc.open_stream(columns).read_all()


@dataclass
class CombineWordCounts(
    beam.PTransform[PCollection[tuple[int, bytes]], PCollection[tuple[str, ClassTally]]]
):
    """Merges the columns of each bucket, and yields (signature, `ClassTally`) of its classes.

    Attributes:
      max_unmerged_bytes: columns of a bucket are merged when together they have more than this.
    """

    max_unmerged_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        super().__init__()

    def expand(
        self, columns: PCollection[tuple[int, bytes]]
    ) -> PCollection[tuple[str, ClassTally]]:
        return (
            columns
            | "MergePerBucket" >> beam.CombinePerKey(CombineWordCountsFn(self.max_unmerged_bytes))
            | "SplitIntoClasses" >> beam.FlatMap(_classes).with_output_types(tuple[str, ClassTally])
        )


class CombineWordCountsFn(beam.CombineFn):
    """Merges columns into columns that have each word once. The accumulator is a list of them."""

    def __init__(self, max_unmerged_bytes: int):
        self._max_unmerged_bytes = max_unmerged_bytes

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], columns: bytes) -> list[bytes]:
        accumulator.append(columns)
        is_small = sum(map(len, accumulator)) < self._max_unmerged_bytes
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
        tables = pyarrow.concat_tables(map(_from_bytes, accumulator))
        merged = tables.group_by("word", use_threads=False).aggregate([("count", "sum")])
        return [_to_bytes(merged.rename_columns(["word", "count"]))]

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        (columns,) = self.compact(accumulator)
        return columns


def _classes(bucket: tuple[int, bytes]) -> Iterator[tuple[str, ClassTally]]:
    table = _from_bytes(bucket[1])
    counts: defaultdict[str, int] = defaultdict(int)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for word, count in zip(*(column.to_pylist() for column in table.columns), strict=True):
        key = signature(word)
        counts[key] += count
        members[key].append(word)
    for key, count in counts.items():
        yield key, ClassTally(count, tuple(sorted(members[key])))
