"""Expands columns of counts into columns of records: the vectorized form of `ExpandSignatures`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.checks import check_positive, check_type
from transforms.columns import RECORDS, BucketOfCounts, RecordColumns, from_bytes, to_bytes
from transforms.dictionary import Dictionary, DictionarySpec
from transforms.stages.dead_letters import ClassCount
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.signature import signature

class Classes(NamedTuple):
    """Anagram classes, and the words in them.

    Attributes:
      words: a table like `RECORDS`, in which each word has the count of its class.
      sizes: for each of its rows, how many words the class has.
      found: how many classes there are.
      matched: how many words of the text belong to them.
    """

    words: pyarrow.Table
    sizes: Any
    found: int
    matched: int


@dataclass
class ExpandColumns(Stage):
    """Expands the counts of each bucket into records, as columns like `RECORDS`.

    Attributes:
      dictionary: where the words of a class are looked up; in corpus mode the keys are the words.
      min_class_size: classes with fewer members are left out.
      min_count: classes that occur less often are left out.
      small_bucket: in corpus mode, a bucket of no more words than this is expanded without loading
        the compiler.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    min_class_size: int = 1
    min_count: int = 1
    small_bucket: int = 1 << 10
    measures: ClassVar = frozenset({Count.WORDS_COUNTED, Count.WORDS_MATCHED})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(DictionarySpec, dictionary=self.dictionary)
        check_positive(min_class_size=self.min_class_size, min_count=self.min_count)

    def expand(self, counts: PCollection[BucketOfCounts]) -> PCollection[RecordColumns]:
        return self.apply_fn(counts, "ExpandBucket", _ExpandFn(self), RecordColumns)


class _ExpandFn(StageFn):
    def __init__(self, settings: ExpandColumns):
        super().__init__(settings.resilience)
        self._retrier = Retrier("expand", settings.resilience)
        self._spec = settings.dictionary
        self._min_class_size = settings.min_class_size
        self._min_count = settings.min_count
        self._small_bucket = settings.small_bucket

    def process(self, bucket: BucketOfCounts) -> Iterator[Any]:
        counts = from_bytes(bucket[1])
        counted = pc.sum(counts["count"]).as_py()
        try:
            classes = self._retrier(self._classes, counts)
        except RetriesExhaustedError as error:
            for payload in self._dead_letter_payloads(counts):
                self.totals.add(Count.WORDS_COUNTED, payload.count)
                yield self.to_dead_letter(error, payload)
            return
        self.totals.add(Count.CLASSES, classes.found)
        self.totals.add(Count.WORDS_COUNTED, counted)
        self.totals.add(Count.WORDS_MATCHED, classes.matched)
        self.totals.add(Count.WORDS_UNMATCHED, counted - classes.matched)
        kept = classes.words
        if self._min_class_size > 1 or self._min_count > 1:
            is_large = pyarrow.array(classes.sizes >= self._min_class_size)
            is_frequent = pc.greater_equal(kept["count"], self._min_count)
            kept = kept.filter(pc.and_(is_large, is_frequent))
        if kept.num_rows:
            yield RecordColumns(to_bytes(kept))

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def _classes(self, counts: pyarrow.Table) -> Classes:
        if not self._spec.is_corpus:
            return classes_of_dictionary(counts, self._spec.load())
        if counts.num_rows <= self._small_bucket:
            return classes_of_words(counts)
        from transforms.kernel.grouping import group_words  # loads the compiler

        grouped = group_words(counts)
        return Classes(*grouped, pc.sum(counts["count"]).as_py())

    def _dead_letter_payloads(self, counts: pyarrow.Table) -> Iterator[ClassCount]:
        keys, numbers = counts["key"].to_pylist(), counts["count"].to_pylist()
        if not self._spec.is_corpus:
            yield from map(ClassCount, keys, numbers)
            return
        for key, (count, words) in _grouped(keys, numbers).items():
            yield ClassCount(key, count, tuple(sorted(words)))


def classes_of_dictionary(counts: pyarrow.Table, dictionary: Dictionary) -> Classes:
    """Looks up the members of each class.

    Args:
      counts: how often each class occurs, by its signature.
      dictionary: where members are looked up.
    """
    keys, numbers = counts["key"].to_pylist(), counts["count"].to_numpy()
    members = [dictionary.members(key) for key in keys]
    sizes = np.fromiter(map(len, members), np.int64, len(members))
    of_word = np.repeat(np.arange(len(keys)), sizes)
    words = pyarrow.table(
        [
            pyarrow.array([word for of_class in members for word in of_class], RECORDS.types[0]),
            pyarrow.array(numbers[of_word]),
            counts["key"].take(pyarrow.array(of_word)),
        ],
        RECORDS,
    )
    is_class = sizes > 0
    return Classes(words, sizes[of_word], int(is_class.sum()), int(numbers[is_class].sum()))


def classes_of_words(counts: pyarrow.Table) -> Classes:
    """Groups the words of a text by their signatures, as `transforms.kernel.grouping` does.

    Args:
      counts: how often each word occurs.
    """
    words, numbers = counts["key"].to_pylist(), counts["count"].to_pylist()
    classes = _grouped(words, numbers)
    signatures = list(map(signature, words))
    table = pyarrow.table(
        [
            pyarrow.array(words, RECORDS.types[0]),
            pyarrow.array([classes[key][0] for key in signatures], pyarrow.int64()),
            pyarrow.array(signatures, RECORDS.types[2]),
        ],
        RECORDS,
    )
    sizes = np.array([len(classes[key][1]) for key in signatures])
    return Classes(table, sizes, len(classes), sum(numbers))


def _grouped(words: list[str], counts: list[int]) -> dict[str, tuple[int, list[str]]]:
    """Returns the count and the words of each class, by its signature."""
    classes: dict[str, tuple[int, list[str]]] = {}
    for word, number in zip(words, counts, strict=True):
        count, members = classes.setdefault(signature(word), (0, []))
        members.append(word)
        classes[signature(word)] = count + number, members
    return classes
