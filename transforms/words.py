"""Splits blocks of text into words, and keys each word by its signature."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.checks import check_positive, check_type
from transforms.counts import ClassTally
from transforms.stages import beam_metrics
from transforms.stages.dead_letters import ClassCount
from transforms.stages.groups import GroupedStage, InGroup
from transforms.stages.retry import Resilience
from transforms.stages.stage import ElementFn
from transforms.stages.totals import Count
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH
from transforms.text.settings import TextSettings
from transforms.text.signature import signature


@dataclass
class ExtractWords(GroupedStage):
    """Extracts the normalized words of each block; every word is an element.

    Attributes:
      text: how bytes become words.
      min_length: shorter words, in code points, are left out.
    """

    text: TextSettings = field(default_factory=TextSettings)
    min_length: int = 1
    measures: ClassVar = frozenset({Count.BLOCKS_PROCESSED, Count.WORDS})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(TextSettings, text=self.text)
        check_positive(min_length=self.min_length)

    def expand(self, blocks: PCollection[Block | InGroup[Block]]) -> PCollection[Any]:
        fn = _ExtractFn(self.text, self.min_length, self.resilience)
        return self.apply_fn(blocks, "SplitIntoWords", fn, str)


class _ExtractFn(ElementFn):
    def __init__(self, text: TextSettings, min_length: int, resilience: Resilience):
        super().__init__("extract", resilience)
        self._text = text
        self._min_length = min_length

    def start_bundle(self) -> None:
        super().start_bundle()
        self._lengths: Counter[int] = Counter()

    def process_element(self, block: Block) -> list[str]:
        began = time.perf_counter()
        found, self._invalid_bytes = block.words(self._text, self._min_length)
        beam_metrics.BLOCK_MICROSECONDS.update(round(1e6 * (time.perf_counter() - began)))
        return found

    def dead_letter_payload(self, block: Block) -> Block:
        return block

    def count(self, block: Block, found: list[str]) -> None:
        self.totals.add(Count.BLOCKS_PROCESSED)
        self.totals.add(Count.WORDS, len(found))
        self.totals.add(Count.INVALID_BYTES, self._invalid_bytes)
        self._lengths.update(map(len, found))

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        self.totals.add_words_by_length(self._lengths)
        return super().finish_bundle()


@dataclass
class KeyBySignature(GroupedStage):
    """Turns each word into (its signature, 1), ready to be summed by `CountSignatures`."""

    measures: ClassVar = frozenset({Count.WORDS_KEYED})

    def expand(self, words: PCollection[str | InGroup[str]]) -> PCollection[Any]:
        return self.apply_fn(words, "KeyWord", _KeyFn("key", self.resilience), tuple[str, int])


class _KeyFn(ElementFn):
    def start_bundle(self) -> None:
        super().start_bundle()
        self._keyed = 0

    def process_element(self, word: str) -> list[tuple[str, int]]:
        return [(signature(word), 1)]

    def dead_letter_payload(self, word: str) -> ClassCount:
        return ClassCount(signature(word), 1)

    def count(self, word: str, keyed: list[tuple[str, int]]) -> None:
        self._keyed += 1

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        self.totals.add(Count.WORDS_KEYED, self._keyed)
        return super().finish_bundle()


@dataclass
class KeyWithWord(GroupedStage):
    """Turns each word into (its signature, a `ClassTally` of that word), for corpus mode.

    `CombineClassTallies` merges them. Words longer than `MAX_WORD_LENGTH` are left out.
    """

    measures: ClassVar = frozenset({Count.WORDS_KEYED})

    def expand(self, words: PCollection[str | InGroup[str]]) -> PCollection[Any]:
        fn = _KeyWithWordFn("key", self.resilience)
        return self.apply_fn(words, "KeyWord", fn, tuple[str, ClassTally])


class _KeyWithWordFn(ElementFn):
    def process_element(self, word: str) -> list[tuple[str, ClassTally]]:
        if len(word) > MAX_WORD_LENGTH:
            return []
        return [(signature(word), ClassTally(1, (word,)))]

    def dead_letter_payload(self, word: str) -> ClassCount:
        return ClassCount(signature(word), 1, (word,) if len(word) <= MAX_WORD_LENGTH else ())

    def count(self, word: str, keyed: list[tuple[str, ClassTally]]) -> None:
        self.totals.add(Count.WORDS_KEYED if keyed else Count.WORDS_UNMATCHED)
