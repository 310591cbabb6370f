"""Turns elements into columns, and columns into elements."""

import abc
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.utils.windowed_value import WindowedValue

from transforms.checks import check_positive
from transforms.columns.tables import (
    BUCKETS,
    BucketOfCounts,
    RecordColumns,
    counts_table,
    from_bytes,
    records_table,
    split_into_buckets,
    to_bytes,
)
from transforms.counts import ClassTally
from transforms.expand import AnagramCount
from transforms.stages.bundles import in_global_window
from transforms.stages.windows import has_panes, per_window
from transforms.text.signature import signature


@dataclass
class PackCounts(beam.PTransform[PCollection[tuple[str, Any]], PCollection[BucketOfCounts]]):
    """Packs counts of signatures, or `ClassTally`s, into tables of counts.

    Attributes:
      buckets: over how many buckets they are distributed.
      max_rows: how many rows are packed at once.
    """

    buckets: int = BUCKETS
    max_rows: int = 1 << 16

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(buckets=self.buckets, max_rows=self.max_rows)

    def expand(self, counts: PCollection[tuple[str, Any]]) -> PCollection[BucketOfCounts]:
        pack = beam.ParDo(per_window(_PackCountsFn(self.buckets, self.max_rows), counts))
        packed: PCollection[BucketOfCounts] = counts | "PackCounts" >> pack.with_output_types(
            BucketOfCounts
        )
        return packed


@dataclass
class PackRecords(beam.PTransform[PCollection[AnagramCount], PCollection[RecordColumns]]):
    """Packs records into tables.

    Attributes:
      max_rows: how many records are packed at once.
    """

    max_rows: int = 1 << 16

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(max_rows=self.max_rows)

    def expand(self, records: PCollection[AnagramCount]) -> PCollection[RecordColumns]:
        if has_panes(records):
            raise ValueError(
                "PackRecords: tables would mix records of several panes; keep AnagramCounts "
                "(as_columns=False) where there is a trigger or an allowed lateness"
            )
        pack = beam.ParDo(per_window(_PackRecordsFn(self.max_rows), records))
        packed: PCollection[RecordColumns] = records | "PackRecords" >> pack.with_output_types(
            RecordColumns
        )
        return packed


@dataclass
class UnpackCounts(beam.PTransform[PCollection[BucketOfCounts], PCollection[tuple[str, Any]]]):
    """Makes an element of each count in a table: what `PackCounts` has packed.

    Attributes:
      are_words: the keys are words, of which `ClassTally`s are made.
    """

    are_words: bool = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, counts: PCollection[BucketOfCounts]) -> PCollection[tuple[str, Any]]:
        unpack = beam.FlatMap(_tallies if self.are_words else _counts)
        element_type = tuple[str, ClassTally] if self.are_words else tuple[str, int]
        unpacked: PCollection[tuple[str, Any]] = (
            counts | "UnpackCounts" >> unpack.with_output_types(element_type)
        )
        return unpacked


def _counts(bucket: BucketOfCounts) -> Iterator[tuple[str, int]]:
    table = from_bytes(bucket[1])
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _tallies(bucket: BucketOfCounts) -> Iterator[tuple[str, ClassTally]]:
    return ((signature(word), ClassTally(count, (word,))) for word, count in _counts(bucket))


class UnpackRecords(beam.PTransform[PCollection[RecordColumns], PCollection[AnagramCount]]):
    """Makes an element of each record in a table."""

    def expand(self, columns: PCollection[RecordColumns]) -> PCollection[AnagramCount]:
        unpack = beam.FlatMap(_records).with_output_types(AnagramCount)
        unpacked: PCollection[AnagramCount] = columns | "UnpackRecords" >> unpack
        return unpacked


def _records(columns: RecordColumns) -> Iterator[AnagramCount]:
    table = from_bytes(columns.data)
    return map(AnagramCount, *(column.to_pylist() for column in table.columns))


class _PackFn(beam.DoFn, abc.ABC):
    """Collects the rows of a bundle, and emits tables of them."""

    def __init__(self, max_rows: int):
        self._max_rows = max_rows

    @abc.abstractmethod
    def rows(self, element: Any) -> Iterator[tuple[Any, ...]]:
        """Yields the rows that become of an element."""

    @abc.abstractmethod
    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[Any]:
        """Yields elements that hold some rows, of which there is one at least."""

    def start_bundle(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    def process(self, element: Any) -> Iterator[Any]:
        self._rows += self.rows(element)
        if len(self._rows) >= self._max_rows:
            yield from self._drain()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        return in_global_window(self._drain())

    def _drain(self) -> Iterator[Any]:
        rows, self._rows = self._rows, []
        if rows:
            yield from self.pack(list(zip(*rows, strict=True)))


class _PackCountsFn(_PackFn):
    def __init__(self, buckets: int, max_rows: int):
        super().__init__(max_rows)
        self._buckets = buckets

    def rows(self, element: tuple[str, int | ClassTally]) -> Iterator[tuple[Any, ...]]:
        key, value = element
        if isinstance(value, int):
            yield key, value
        else:  # only the sum over the words of a class matters
            yield from ((word, 0 if at else value[0]) for at, word in enumerate(value[1]))

    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[BucketOfCounts]:
        counts: defaultdict[str, int] = defaultdict(int)  # a key has one row in a table of counts
        for key, count in zip(*columns, strict=True):
            counts[key] += count
        return split_into_buckets(counts_table(counts, counts.values()), self._buckets)


class _PackRecordsFn(_PackFn):
    def rows(self, element: AnagramCount) -> Iterator[tuple[Any, ...]]:
        yield element.word, element.count, element.signature

    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[RecordColumns]:
        yield RecordColumns(to_bytes(records_table(*columns)))
