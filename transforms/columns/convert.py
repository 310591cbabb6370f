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
from transforms.columns.buckets import BUCKETS, BucketOfCounts, split_into_buckets
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.passing import done_with, received
from transforms.columns.tables import counts_table, records_table, with_groups
from transforms.counts import ClassTally
from transforms.expand import AnagramCount, GroupedCount
from transforms.stages.bundles import in_global_window
from transforms.stages.schemas import typed
from transforms.stages.windows import has_panes, per_window
from transforms.text.signature import signature


@dataclass
class PackCounts(beam.PTransform[PCollection[tuple[str, Any]], PCollection[BucketOfCounts]]):
    """Packs counts of signatures, or `ClassTally`s, into tables of counts.

    Attributes:
      buckets: the number of buckets over which they are distributed.
      max_rows: how many rows are packed at once.
      per_group: whether elements are (group, (signature, count)).
    """

    buckets: int = BUCKETS
    max_rows: int = 1 << 16
    per_group: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(buckets=self.buckets, max_rows=self.max_rows)

    def expand(self, counts: PCollection[tuple[str, Any]]) -> PCollection[BucketOfCounts]:
        make = _PackGroupedCountsFn if self.per_group else _PackCountsFn
        pack = beam.ParDo(per_window(make(self.buckets, self.max_rows), counts))
        packed: PCollection[BucketOfCounts] = counts | "PackCounts" >> pack.with_output_types(
            BucketOfCounts
        )
        return packed


@dataclass
class PackRecords(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Packs records into tables: `AnagramCount`s into `RecordColumns`, or the same with groups.

    Attributes:
      max_rows: how many records are packed at once.
    """

    max_rows: int = 1 << 16

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(max_rows=self.max_rows)

    def expand(self, records: PCollection[Any]) -> PCollection[Any]:
        if has_panes(records):
            raise ValueError(
                "PackRecords: tables would mix records of several panes; keep AnagramCounts "
                "(as_columns=False) where there is a trigger or an allowed lateness"
            )
        fn: _PackFn = _PackRecordsFn(self.max_rows)
        element_type: Any = RecordColumns
        if records.element_type is GroupedCount:
            fn, element_type = _PackGroupedFn(self.max_rows), GroupedColumns
        pack = beam.ParDo(per_window(fn, records)).with_output_types(element_type)
        return typed(records | "PackRecords" >> pack, element_type)


@dataclass
class UnpackCounts(beam.PTransform[PCollection[BucketOfCounts], PCollection[tuple[str, Any]]]):
    """Yields each count in a table as an element; the inverse of `PackCounts`.

    Attributes:
      are_words: whether the keys are words, which become `ClassTally`s.
      per_group: whether to yield (group, (signature, count)).
    """

    are_words: bool = field(kw_only=True)
    per_group: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, counts: PCollection[BucketOfCounts]) -> PCollection[tuple[str, Any]]:
        unpack = beam.FlatMap(_unpacked, self.are_words)
        element_type: Any = tuple[str, ClassTally] if self.are_words else tuple[str, int]
        if self.per_group:
            element_type = tuple[str, element_type]
        unpacked: PCollection[tuple[str, Any]] = (
            counts | "UnpackCounts" >> unpack.with_output_types(element_type)
        )
        return unpacked


def _unpacked(bucket: BucketOfCounts, are_words: bool) -> Iterator[tuple[str, Any]]:
    table = received(bucket[1])
    done_with([bucket[1]])
    for *group, key, count in zip(*(column.to_pylist() for column in table.columns), strict=True):
        counted = (signature(key), ClassTally(count, (key,))) if are_words else (key, count)
        yield (*group, counted) if group else counted


class UnpackRecords(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Yields each record in a table as an element."""

    def expand(self, columns: PCollection[Any]) -> PCollection[Any]:
        is_grouped = columns.element_type is GroupedColumns
        record_type: Any = GroupedCount if is_grouped else AnagramCount
        unpack = beam.FlatMap(_grouped_records if is_grouped else _records)
        unpacked = columns | "UnpackRecords" >> unpack.with_output_types(record_type)
        return typed(unpacked, record_type)


def _records(columns: RecordColumns) -> Iterator[AnagramCount]:
    yield from map(AnagramCount, *(column.to_pylist() for column in columns.table.columns))


def _grouped_records(columns: GroupedColumns) -> Iterator[GroupedCount]:
    yield from map(GroupedCount, *(column.to_pylist() for column in columns.table.columns))


def check_no_group(record: Any) -> None:
    """Checks that a record has no group, which would be lost.

    Raises:
      TypeError: it has a group.
    """
    if isinstance(record, GroupedCount):
        raise TypeError(
            "records have groups, but the type of their PCollection does not say so; add "
            ".with_output_types(GroupedCount) to the step that makes them"
        )


class _PackFn(beam.DoFn, abc.ABC):
    """Collects the rows of a bundle, and emits tables of them."""

    def __init__(self, max_rows: int):
        self._max_rows = max_rows

    @abc.abstractmethod
    def rows(self, element: Any) -> Iterator[tuple[Any, ...]]:
        """Yields the rows of an element."""

    @abc.abstractmethod
    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[Any]:
        """Yields elements with these rows; there is at least one row."""

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


class _PackGroupedCountsFn(_PackCountsFn):
    def rows(self, element: tuple[str, Any]) -> Iterator[tuple[Any, ...]]:
        group, counted = element
        return ((group, *row) for row in super().rows(counted))

    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[BucketOfCounts]:
        counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for group, key, count in zip(*columns, strict=True):
            counts[group, key] += count
        groups, keys = zip(*counts, strict=True)
        table = counts_table(keys, counts.values())
        return split_into_buckets(with_groups(table, groups), self._buckets)


class _PackRecordsFn(_PackFn):
    def rows(self, element: AnagramCount) -> Iterator[tuple[Any, ...]]:
        check_no_group(element)
        yield element.word, element.count, element.signature

    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[RecordColumns]:
        yield RecordColumns(records_table(*columns))


class _PackGroupedFn(_PackFn):
    def rows(self, element: GroupedCount) -> Iterator[tuple[Any, ...]]:
        yield element

    def pack(self, columns: list[tuple[Any, ...]]) -> Iterator[GroupedColumns]:
        groups, *records = columns
        yield GroupedColumns(with_groups(records_table(*records), groups))
