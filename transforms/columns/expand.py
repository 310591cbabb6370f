"""Expands counts that are columns into records: the vectorized form of `ExpandSignatures`."""

import itertools
import queue
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pyarrow
from apache_beam.pvalue import PCollection

from transforms.checks import check_positive, check_type
from transforms.columns.buckets import BucketOfCounts
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.passing import done_with, received
from transforms.columns.tables import (
    GROUP,
    RECORDS,
    Int64Array,
    records_table,
    take,
    with_groups_of,
)
from transforms.dictionary import Dictionary, DictionarySpec
from transforms.stages.bundles import in_global_window
from transforms.stages.dead_letters import ClassCount
from transforms.stages.groups import GroupedStage
from transforms.stages.memory import release_free_memory
from transforms.stages.retry import Retrier, RetriesExhaustedError, applying
from transforms.stages.stage import StageFn
from transforms.stages.threads import OrderedThreads
from transforms.stages.totals import Count
from transforms.text.signature import signature

if TYPE_CHECKING:
    from transforms.kernel.classes import ClassTable


class Classes(NamedTuple):
    """Anagram classes, and the words in them.

    Attributes:
      records: a table of records, in which each word has the count of its class.
      sizes: for each record, the number of words in its class.
      found: the number of classes.
      matched: how many words of the text belong to these classes.
    """

    records: pyarrow.Table
    sizes: Int64Array
    found: int
    matched: int


@dataclass
class ExpandColumns(GroupedStage):
    """Expands the counts of each bucket into a table of records.

    With groups, each group is expanded separately.

    Attributes:
      dictionary: where the words of a class are looked up by its signature, the key; in corpus mode
        the keys are the words.
      min_class_size: classes with fewer members are left out.
      min_count: classes with a smaller count are left out.
      small_bucket: a bucket with at most this many rows is expanded without loading the compiler,
        unless the dictionary is large. Texts that are small enough to be counted without the
        compiler rarely have larger buckets.
      threads: how many cores a worker may use for one bundle.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    min_class_size: int = 1
    min_count: int = 1
    small_bucket: int = 1 << 7
    threads: int = 1
    measures: ClassVar = frozenset({Count.WORDS_COUNTED, Count.WORDS_MATCHED})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(DictionarySpec, dictionary=self.dictionary)
        check_positive(
            min_class_size=self.min_class_size, min_count=self.min_count, threads=self.threads
        )

    def expand(self, counts: PCollection[BucketOfCounts]) -> PCollection[Any]:
        element_type = GroupedColumns if self.per_group else RecordColumns
        return self.apply_fn(counts, "ExpandBuckets", _ExpandFn(self, element_type), element_type)


class _ExpandFn(StageFn):
    def __init__(self, settings: ExpandColumns, element_type: type[Any]):
        super().__init__(settings.resilience)
        self._element_type = element_type
        self._retriers = [
            Retrier("expand", settings.resilience.of_thread(thread))
            for thread in range(settings.threads)
        ]
        self._spec = settings.dictionary
        self._min_class_size = settings.min_class_size
        self._min_count = settings.min_count
        self._small_bucket = settings.small_bucket

    def setup(self) -> None:
        with applying(self._resilience):
            self._spec = self._spec.pinned()
            self._dictionary = None if self._spec.is_corpus else self._spec.load()

    def start_bundle(self) -> None:
        super().start_bundle()
        self._threads: OrderedThreads[_Expanded] = OrderedThreads(len(self._retriers))
        self._free: queue.SimpleQueue[Retrier] = queue.SimpleQueue()
        for retrier in self._retriers:
            self._free.put(retrier)

    def process(self, bucket: BucketOfCounts) -> Iterator[Any]:
        self._threads.submit(self._expand, bucket[1])
        yield from self._emit(self._threads.results(wait=False))

    def finish_bundle(self) -> Iterator[Any]:
        yield from in_global_window(self._emit(self._threads.results(wait=True)))
        self._threads.close()
        if self._dictionary is None:
            release_free_memory()
        yield from self.emit_totals(*self._retriers)

    def _expand(self, columns: bytes) -> "_Expanded":
        counts = received(columns)
        done_with([columns])
        retrier = self._free.get()
        try:
            classes = retrier(self._classes, counts)
        except RetriesExhaustedError as error:
            return _Expanded(counts, error, None)
        finally:
            self._free.put(retrier)
        kept = classes.records
        if self._min_class_size > 1 or self._min_count > 1:
            is_large = classes.sizes >= self._min_class_size
            is_frequent = kept["count"].to_numpy() >= self._min_count
            kept = take(kept, np.flatnonzero(is_large & is_frequent))
        return _Expanded(counts, classes, kept)

    def _emit(self, results: Iterable["_Expanded"]) -> Iterator[Any]:
        """Yields tables of records and dead letters, and updates the totals."""
        for counts, classes, records in results:
            counted = int(counts["count"].to_numpy().sum())
            if isinstance(classes, RetriesExhaustedError):
                for group, payload in self._dead_letter_payloads(counts):
                    self.totals.add(Count.WORDS_COUNTED, payload.count)
                    yield self.to_dead_letter(classes, payload, group)
                continue
            self.totals.add(Count.CLASSES, classes.found)
            self.totals.add(Count.WORDS_COUNTED, counted)
            self.totals.add(Count.WORDS_MATCHED, classes.matched)
            self.totals.add(Count.WORDS_UNMATCHED, counted - classes.matched)
            if records is not None and records.num_rows:
                yield self._element_type(records)

    def _classes(self, counts: pyarrow.Table) -> Classes:
        is_small = counts.num_rows <= self._small_bucket
        if self._dictionary is not None:
            if is_small and not self._dictionary.words.is_large:
                return classes_of_dictionary(counts, self._dictionary)
            from transforms.kernel.classes import class_table  # loads the compiler

            return join_classes(counts, class_table(self._spec))
        if is_small:
            return classes_of_words(counts)
        from transforms.kernel.grouping import group_words  # loads the compiler

        return Classes(*group_words(counts), int(counts["count"].to_numpy().sum()))

    def _dead_letter_payloads(
        self, counts: pyarrow.Table
    ) -> Iterator[tuple[str | None, ClassCount]]:
        if self._dictionary is not None:
            for group, key, count in _rows_of(counts):
                yield group, ClassCount(key, count)
            return
        for (group, key), (count, words) in _grouped(counts).items():
            yield group, ClassCount(key, count, tuple(sorted(words)))


class _Expanded(NamedTuple):
    """The result of expanding a bucket.

    Attributes:
      counts: the table of its counts.
      classes: the classes to which they were expanded, or the error.
      records: the records to keep, if there is no error.
    """

    counts: pyarrow.Table
    classes: Classes | RetriesExhaustedError
    records: pyarrow.Table | None


def classes_of_dictionary(counts: pyarrow.Table, dictionary: Dictionary) -> Classes:
    """Looks up the members of classes.

    Args:
      counts: the count of each class, by its signature.
      dictionary: where members are looked up.
    """
    keys, numbers = counts["key"].to_pylist(), counts["count"].to_numpy()
    members = [dictionary.members(key) for key in keys]
    sizes = np.fromiter(map(len, members), np.int64, len(members))
    row_of_class = np.repeat(np.arange(len(keys)), sizes)
    of_class = take(counts, row_of_class)
    words = [word for of_key in members for word in of_key]
    records = records_table(words, of_class["count"], of_class["key"])
    is_class = sizes > 0
    records = with_groups_of(records, of_class)
    return Classes(records, sizes[row_of_class], int(is_class.sum()), int(numbers[is_class].sum()))


def join_classes(counts: pyarrow.Table, table: "ClassTable") -> Classes:
    """Looks up the members of classes, as `classes_of_dictionary` does.

    Args:
      counts: the count of each class, by its signature.
      table: the classes of the dictionary.
    """
    keys, numbers = counts["key"].combine_chunks(), counts["count"].to_numpy()
    found = table.find(keys)
    rows = np.flatnonzero(found >= 0)
    of_word, words = table.members(found[rows])
    row_of_word = rows[of_word]
    of_class = take(counts, row_of_word)
    records = pyarrow.table([words, of_class["count"], of_class["key"]], RECORDS)
    records = with_groups_of(records, of_class)
    return Classes(records, table.sizes[found[row_of_word]], len(rows), int(numbers[rows].sum()))


def classes_of_words(counts: pyarrow.Table) -> Classes:
    """Groups the words of a text by their signatures, as `transforms.kernel.grouping` does.

    Args:
      counts: the count of each word.
    """
    classes = _grouped(counts)
    keys = [(group, signature(word)) for group, word, _ in _rows_of(counts)]
    sums = [classes[key][0] for key in keys]
    records = records_table(counts["key"].to_pylist(), sums, [letters for _, letters in keys])
    sizes = np.array([len(classes[key][1]) for key in keys])
    matched = int(counts["count"].to_numpy().sum())
    return Classes(with_groups_of(records, counts), sizes, len(classes), matched)


def _rows_of(counts: pyarrow.Table) -> Iterator[tuple[str | None, str, int]]:
    """Yields the group, the key and the count of each row."""
    rows = zip(counts["key"].to_pylist(), counts["count"].to_pylist(), strict=True)
    is_grouped = GROUP.name in counts.column_names
    groups = counts[GROUP.name].to_pylist() if is_grouped else itertools.repeat(None)
    return ((group, key, count) for group, (key, count) in zip(groups, rows, strict=False))


def _grouped(counts: pyarrow.Table) -> dict[tuple[str | None, str], tuple[int, list[str]]]:
    """Returns the count and the words of each class, by its group and signature."""
    classes: dict[tuple[str | None, str], tuple[int, list[str]]] = {}
    for group, word, number in _rows_of(counts):
        key = group, signature(word)
        count, members = classes.setdefault(key, (0, []))
        members.append(word)
        classes[key] = count + number, members
    return classes
