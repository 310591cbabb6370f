"""Adds up counts that are columns: the vectorized form of `transforms.counts`."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
import pyarrow
from apache_beam.pvalue import PCollection

from transforms.checks import check_positive
from transforms.columns.buckets import BucketOfCounts
from transforms.columns.passing import done_with, passed, received, size_of
from transforms.columns.tables import SMALL


@dataclass
class CombineColumns(beam.PTransform[PCollection[BucketOfCounts], PCollection[BucketOfCounts]]):
    """Merges the tables of each bucket into one with a row for each key, or for each group and key.

    Attributes:
      max_unmerged_bytes: the tables of a bucket are merged when the unmerged ones together have
        more bytes than this, and more than the merged one.
    """

    max_unmerged_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(max_unmerged_bytes=self.max_unmerged_bytes)

    def expand(self, counts: PCollection[BucketOfCounts]) -> PCollection[BucketOfCounts]:
        merge = beam.CombinePerKey(CombineColumnsFn(self.max_unmerged_bytes))
        merged: PCollection[BucketOfCounts] = counts | "MergePerBucket" >> merge.with_output_types(
            BucketOfCounts
        )
        return merged


class CombineColumnsFn(beam.CombineFn):
    """Merges tables of counts. The accumulator is a list of them, as they are passed on."""

    def __init__(self, max_unmerged_bytes: int):
        self._max_unmerged_bytes = max_unmerged_bytes

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], columns: bytes) -> list[bytes]:
        accumulator.append(columns)
        merged, *unmerged = map(size_of, accumulator)
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
        tables = pyarrow.concat_tables(map(received, accumulator))  # without copying them
        done_with(accumulator)  # only now: an element that is there twice shows in the totals
        *keys, _ = tables.column_names  # the key, with groups also the group
        if tables.num_rows <= SMALL:
            counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
            for *key, count in zip(*(column.to_pylist() for column in tables.columns), strict=True):
                counts[tuple(key)] += count
            columns = [*zip(*counts, strict=True), counts.values()]
            arrays = map(pyarrow.array, columns, tables.schema.types)
            return [passed(pyarrow.table(list(arrays), tables.schema))]
        if len(keys) == 1:
            from transforms.kernel.grouping import merge_counts  # loads the compiler

            return [passed(merge_counts(tables))]
        merged = tables.group_by(keys, use_threads=False).aggregate([("count", "sum")])
        merged = merged.select([*keys, "count_sum"]).rename_columns(tables.column_names)
        return [passed(merged)]

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        (columns,) = self.compact(accumulator)
        return columns
