"""Keeps the greatest counts among records that are columns: the vectorized form of `TopWords`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow
from apache_beam.pvalue import PCollection

from transforms.checks import check_positive
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.packing import from_bytes, to_bytes
from transforms.columns.tables import GROUP, RECORDS
from transforms.stages.schemas import typed
from transforms.stages.windows import check_comparable

_BY_COUNT = [("count", "descending"), ("word", "ascending")]


@dataclass
class TopColumns(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Keeps the records with the greatest counts; ties are broken by word.

    Attributes:
      number: how many to keep; None keeps all.
      per_group: whether this many are kept in each group.
    """

    number: int | None = None
    per_group: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        if self.number is not None:
            check_positive(top=self.number)

    def expand(self, columns: PCollection[Any]) -> PCollection[Any]:
        if self.number is None:
            return columns
        check_comparable(columns, f"top={self.number}")
        fn: beam.CombineFn = TopColumnsFn(self.number)
        element_type: Any = RecordColumns
        if self.per_group:
            fn, element_type = TopOfGroupsFn(self.number), GroupedColumns
        keep = beam.CombineGlobally(fn).without_defaults().with_output_types(element_type)
        return typed(columns | "KeepGreatest" >> keep, element_type)


class TopColumnsFn(beam.CombineFn):
    """Keeps the greatest counts of tables. The accumulator is the bytes of a table of records."""

    def __init__(self, number: int):
        self._number = number

    def create_accumulator(self) -> bytes:
        return to_bytes(RECORDS.empty_table())

    def add_input(self, accumulator: bytes, columns: RecordColumns) -> bytes:
        return self._greatest([from_bytes(accumulator), columns.table])

    def merge_accumulators(self, accumulators: Iterable[bytes]) -> bytes:
        return self._greatest(map(from_bytes, accumulators))

    def _greatest(self, tables: Iterable[pyarrow.Table]) -> bytes:
        table = pyarrow.concat_tables(tables)
        if table.num_rows > self._number:
            import pyarrow.compute as pc  # only here, as it takes a while to load

            table = table.take(pc.select_k_unstable(table, self._number, _BY_COUNT))
        return to_bytes(table)

    def extract_output(self, accumulator: bytes) -> RecordColumns:
        return RecordColumns(from_bytes(accumulator))


class TopOfGroupsFn(beam.CombineFn):
    """Keeps the greatest counts of each group. The accumulator is a list of the bytes of tables."""

    def __init__(self, number: int, max_unmerged_bytes: int = 1 << 20):
        self._number = number
        self._max_unmerged_bytes = max_unmerged_bytes

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], columns: GroupedColumns) -> list[bytes]:
        return self._add(accumulator, to_bytes(columns.table))

    def _add(self, accumulator: list[bytes], data: bytes) -> list[bytes]:
        accumulator.append(data)
        kept, *others = map(len, accumulator)
        is_small = sum(others) < max(kept, self._max_unmerged_bytes)
        return accumulator if is_small else self.compact(accumulator)

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            for data in accumulator:
                merged = self._add(merged, data)
        return merged

    def compact(self, accumulator: list[bytes]) -> list[bytes]:
        import pyarrow.compute as pc  # only here, as it takes a while to load

        table = pyarrow.concat_tables(map(from_bytes, accumulator))
        order = pc.sort_indices(table, sort_keys=[(GROUP.name, "ascending"), *_BY_COUNT])
        table = table.take(order).combine_chunks()
        groups = table[GROUP.name].combine_chunks()
        is_first = np.ones(len(groups), bool)
        is_first[1:] = pc.not_equal(groups[1:], groups[:-1]).to_numpy(zero_copy_only=False)
        begins = np.flatnonzero(is_first)
        rank = np.arange(len(groups)) - begins[np.cumsum(is_first) - 1]
        return [to_bytes(table.filter(pyarrow.array(rank < self._number)))]

    def extract_output(self, accumulator: list[bytes]) -> GroupedColumns:
        (data,) = self.compact(accumulator)
        return GroupedColumns(from_bytes(data))
