"""Counted signatures -> one record for each dictionary word that has them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from transforms.checks import check_positive
from transforms.counts import ClassTally
from transforms.dictionary import Dictionary, DictionarySpec


class AnagramCount(NamedTuple):
    """A word of the dictionary, how many words of the text are its anagrams, its signature."""

    word: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    signature: str


beam.coders.registry.register_coder(AnagramCount, beam.coders.RowCoder)


@dataclass
class ExpandSignatures(beam.PTransform):
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
        super().__init__()
        check_positive(min_class_size=self.min_class_size, min_count=self.min_count)

    def expand(self, counts: PCollection[tuple[str, Any]]) -> PCollection[AnagramCount]:
        return counts | "ExpandToMembers" >> beam.ParDo(
            _ExpandFn(self.dictionary, self.min_class_size, self.min_count)
        ).with_output_types(AnagramCount)


class _ExpandFn(beam.DoFn):
    def __init__(self, spec: DictionarySpec, min_class_size: int, min_count: int):
        self._spec = spec
        self._min_class_size = min_class_size
        self._min_count = min_count
        self._dictionary: Dictionary | None = None

    def setup(self) -> None:
        if not self._spec.is_corpus:
            self._dictionary = self._spec.load()

    def process(self, element: tuple[str, int] | tuple[str, ClassTally]) -> Iterator[AnagramCount]:
        signature, value = element
        if isinstance(value, int):
            assert self._dictionary is not None
            count, members = value, self._dictionary.classes.get(signature, ())
        else:
            count, members = value
        if len(members) >= self._min_class_size and count >= self._min_count:
            for word in members:
                yield AnagramCount(word, count, signature)
