"""Keeps the greatest counts among records that are columns: the vectorized form of `TopWords`."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
import pyarrow
from apache_beam.pvalue import PCollection

from transforms.checks import check_positive
from transforms.columns.tables import RECORDS, RecordColumns, from_bytes, to_bytes
from transforms.stages.windows import check_comparable

_BY_COUNT = [("count", "descending"), ("word", "ascending")]


@dataclass
class TopColumns(beam.PTransform[PCollection[RecordColumns], PCollection[RecordColumns]]):
    """Keeps the records with the greatest counts; of equal counts those whose words come first.

    Attributes:
      number: how many to keep; None keeps all.
    """

    number: int | None = None

    def __post_init__(self) -> None:
        super().__init__()
        if self.number is not None:
            check_positive(top=self.number)

    def expand(self, columns: PCollection[RecordColumns]) -> PCollection[RecordColumns]:
        if self.number is None:
            return columns
        check_comparable(columns, f"top={self.number}")
        combine = beam.CombineGlobally(TopColumnsFn(self.number)).without_defaults()
        keep = combine.with_output_types(RecordColumns)
        kept: PCollection[RecordColumns] = columns | "KeepGreatest" >> keep
        return kept


class TopColumnsFn(beam.CombineFn):
    """Keeps the greatest counts of tables. The accumulator is the bytes of a table of records."""

    def __init__(self, number: int):
        self._number = number

    def create_accumulator(self) -> bytes:
        return to_bytes(RECORDS.empty_table())

    def add_input(self, accumulator: bytes, columns: RecordColumns) -> bytes:
        return self.merge_accumulators([accumulator, columns.data])

    def merge_accumulators(self, accumulators: Iterable[bytes]) -> bytes:
        table = pyarrow.concat_tables(map(from_bytes, accumulators))
        if table.num_rows > self._number:
            import pyarrow.compute as pc  # only here, as it takes a while to load

            table = table.take(pc.select_k_unstable(table, self._number, _BY_COUNT))
        return to_bytes(table)

    def extract_output(self, accumulator: bytes) -> RecordColumns:
        return RecordColumns(accumulator)
