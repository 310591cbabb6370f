"""Expands counted signatures into records, one for each dictionary word that has the signature."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import apache_beam as beam
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.combiners import Top

from transforms.checks import check_positive, check_type
from transforms.counts import ClassTally
from transforms.dictionary import DictionarySpec
from transforms.stages.dead_letters import ClassCount, DeadLetter
from transforms.stages.groups import GroupedStage
from transforms.stages.retry import Resilience, applying
from transforms.stages.schemas import typed
from transforms.stages.stage import ElementFn
from transforms.stages.totals import Count
from transforms.stages.windows import check_comparable


class AnagramCount(NamedTuple):
    """A record of the result.

    Attributes:
      word: a word of the dictionary.
      count: how many words of the text are anagrams of it, itself included.
      signature: its letters, sorted.
    """

    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str


class GroupedCount(NamedTuple):
    """A record of the result for one group of texts, such as a file.

    Attributes:
      group: the group in which words were counted.
      word: as in `AnagramCount`.
      count: how many words of the group are anagrams of it.
      signature: as in `AnagramCount`.
    """

    group: str
    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str


for _record in (AnagramCount, GroupedCount):
    registry.register_coder(_record, beam.coders.RowCoder)


@dataclass
class ExpandSignatures(GroupedStage):
    """Expands each (signature, count) into an `AnagramCount` for every member of its class.

    In corpus mode an element is (signature, `ClassTally`), and the tally has the members.

    Attributes:
      dictionary: where members are looked up; loaded once per worker process.
      min_class_size: classes with fewer members are left out.
      min_count: classes with a smaller count are left out.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    min_class_size: int = 1
    min_count: int = 1
    measures: ClassVar = frozenset({Count.WORDS_COUNTED, Count.WORDS_MATCHED})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(DictionarySpec, dictionary=self.dictionary)
        check_positive(min_class_size=self.min_class_size, min_count=self.min_count)

    def expand(self, counts: PCollection[tuple[str, Any]]) -> PCollection[Any]:
        fn = _ExpandFn(self.dictionary, self.min_class_size, self.min_count, self.resilience)
        return self.apply_fn(counts, "ExpandToMembers", fn, AnagramCount)


class _ExpandFn(ElementFn):
    def __init__(
        self, spec: DictionarySpec, min_class_size: int, min_count: int, resilience: Resilience
    ):
        super().__init__("expand", resilience)
        self._spec = spec
        self._min_class_size = min_class_size
        self._min_count = min_count

    def setup(self) -> None:
        if not self._spec.is_corpus:
            with applying(self._resilience):
                self._members = self._spec.load().members

    def start_bundle(self) -> None:
        super().start_bundle()
        self._spec.report_lineage()
        self._classes_found = self._words_counted = self._words_matched = 0

    def process_element(self, element: tuple[str, int | ClassTally]) -> list[AnagramCount]:
        signature, value = element
        if isinstance(value, int):
            count, members = value, self._members(signature)
        else:
            count, members = value
        self._latest = count, members
        if len(members) < self._min_class_size or count < self._min_count:
            return []
        return [AnagramCount(word, count, signature) for word in members]

    def dead_letter_payload(self, element: tuple[str, int | ClassTally]) -> ClassCount:
        signature, value = element
        return ClassCount(signature, *((value,) if isinstance(value, int) else value))

    def count(self, element: tuple[str, int | ClassTally], results: list[AnagramCount]) -> None:
        count, members = self._latest
        self._words_counted += count
        if members:
            self._classes_found += 1
            self._words_matched += count

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput[str, Any]:
        self.totals.add(Count.WORDS_COUNTED, letter.words)
        return super().emit_dead_letter(letter)

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        self.totals.add(Count.CLASSES, self._classes_found)
        self.totals.add(Count.WORDS_COUNTED, self._words_counted)
        self.totals.add(Count.WORDS_MATCHED, self._words_matched)
        self.totals.add(Count.WORDS_UNMATCHED, self._words_counted - self._words_matched)
        return super().finish_bundle()


@dataclass
class TopWords(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Keeps the records with the greatest counts; ties are broken by word.

    Attributes:
      number: how many to keep; None keeps all.
      per_group: whether elements are (group, record); then this many are kept in each group.
    """

    number: int | None = None
    per_group: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        if self.number is not None:
            check_positive(top=self.number)

    def expand(self, records: PCollection[Any]) -> PCollection[Any]:
        if self.number is None:
            return records
        check_comparable(records, f"top={self.number}")
        if self.per_group:
            return (
                records
                | "RankByCount" >> Top.SmallestPerKey(self.number, key=_rank)
                | "ListRecords" >> beam.FlatMap(_listed).with_output_types(tuple[str, AnagramCount])
            )
        return (
            records
            | "RankByCount" >> Top.Smallest(self.number, has_defaults=False, key=_rank)
            | "ListRecords" >> beam.FlatMap(list).with_output_types(AnagramCount)
        )


@dataclass
class NameGroups(beam.PTransform[PCollection[tuple[str, AnagramCount]], PCollection[GroupedCount]]):
    """Converts each (group, record) to a `GroupedCount`."""

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, records: PCollection[tuple[str, AnagramCount]]) -> PCollection[GroupedCount]:
        name = beam.Map(_with_group).with_output_types(GroupedCount)
        return typed(records | "NameGroup" >> name, GroupedCount)


def _with_group(grouped: tuple[str, AnagramCount]) -> GroupedCount:
    group, record = grouped
    return GroupedCount(group, *record)


def _listed(greatest: tuple[str, list[AnagramCount]]) -> list[tuple[str, AnagramCount]]:
    group, records = greatest
    return [(group, record) for record in records]


def _rank(record: AnagramCount) -> tuple[int, str]:
    return -record.count, record.word
