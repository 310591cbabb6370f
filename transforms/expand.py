"""Counted signatures -> one record for each dictionary word that has them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.checks import check_positive
from transforms.counts import ClassTally
from transforms.dictionary import DictionarySpec
from transforms.stages.dead_letters import ClassCount, DeadLetter
from transforms.stages.retry import Resilience
from transforms.stages.stage import ElementFn, Stage


class AnagramCount(NamedTuple):
    """A word of the dictionary, how many words of the text are its anagrams, its signature."""

    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str


beam.coders.registry.register_coder(AnagramCount, beam.coders.RowCoder)


@dataclass
class ExpandSignatures(Stage):
    """(Signature, count) -> an `AnagramCount` for each member word of the signature's class.

    In corpus mode the element is (signature, `ClassTally`) and brings its members with it.

    Attributes:
      dictionary: where the members are looked up, loaded once per worker process.
      min_class_size: classes with fewer members are left out.
      min_count: classes that occur less often are left out.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    min_class_size: int = 1
    min_count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(min_class_size=self.min_class_size, min_count=self.min_count)

    def expand(self, counts: PCollection[tuple[str, Any]]) -> PCollection[AnagramCount]:
        fn = _ExpandFn(self.dictionary, self.min_class_size, self.min_count, self.resilience)
        return self.run(counts, "ExpandToMembers", fn, AnagramCount)


class _ExpandFn(ElementFn):
    def __init__(
        self, spec: DictionarySpec, min_class_size: int, min_count: int, resilience: Resilience
    ):
        super().__init__("permutations", resilience)
        self._spec = spec
        self._min_class_size = min_class_size
        self._min_count = min_count

    def setup(self) -> None:
        if not self._spec.is_corpus:
            self._members = self._spec.load().members

    def start_bundle(self) -> None:
        super().start_bundle()
        self._classes_found = self._words_counted = self._words_matched = 0

    def process_element(self, element: tuple[str, int | ClassTally]) -> list[AnagramCount]:
        signature, value = element
        if isinstance(value, int):
            count, members = value, self._members(signature)
        else:
            count, members = value
        self._occurred = count, members
        if len(members) < self._min_class_size or count < self._min_count:
            return []
        return [AnagramCount(word, count, signature) for word in members]

    def dead_letter_payload(self, element: tuple[str, int | ClassTally]) -> ClassCount:
        signature, value = element
        return ClassCount(signature, *((value,) if isinstance(value, int) else value))

    def count(self, element: tuple[str, int | ClassTally], results: list[AnagramCount]) -> None:
        count, members = self._occurred
        self._words_counted += count
        if members:
            self._classes_found += 1
            self._words_matched += count

    def emit_dead_letter(self, letter: DeadLetter) -> TaggedOutput:
        self.totals["words_counted"] += letter.words
        return super().emit_dead_letter(letter)

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        self.totals.update(
            classes=self._classes_found,
            words_counted=self._words_counted,
            words_matched=self._words_matched,
            words_unmatched=self._words_counted - self._words_matched,
        )
        return super().finish_bundle()
