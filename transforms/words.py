"""Blocks -> words, and words -> words keyed by what their anagrams share."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.checks import check_one_of, check_positive
from transforms.counts import ClassTally
from transforms.stages import metrics
from transforms.stages.dead_letters import ClassCount
from transforms.stages.retry import Resilience
from transforms.stages.stage import ElementFn, Stage
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS, words
from transforms.text.signature import signature


@dataclass
class ExtractWords(Stage):
    """`Block` -> each of its normalized words.

    Attributes:
      normalization: see `transforms.text.normalize`.
      min_length: shorter words, in code points, are left out.
    """

    normalization: str = "unicode"
    min_length: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_positive(min_length=self.min_length)

    def expand(self, blocks: PCollection[Block]) -> PCollection[str]:
        fn = _ExtractFn(self.normalization, self.min_length, self.resilience)
        return self.run(blocks, "SplitIntoWords", fn, str)


def extract(block: Block, normalization: str, min_length: int) -> tuple[list[str], int]:
    """A block -> its words of `min_length` or more, and how many bytes were no valid text."""
    text, invalid = block.decode()
    found = words(text, normalization)
    if min_length > 1:
        found = [word for word in found if len(word) >= min_length]
    return found, invalid


class _ExtractFn(ElementFn):
    def __init__(self, normalization: str, min_length: int, resilience: Resilience):
        super().__init__("words", resilience)
        self._normalization = normalization
        self._min_length = min_length

    def start_bundle(self) -> None:
        super().start_bundle()
        self._lengths: Counter[int] = Counter()

    def process_element(self, block: Block) -> list[str]:
        began = time.perf_counter()
        found, self._invalid = extract(block, self._normalization, self._min_length)
        metrics.BLOCK_MICROSECONDS.update(round(1e6 * (time.perf_counter() - began)))
        return found

    def dead_letter_payload(self, block: Block) -> Block:
        return block

    def count(self, block: Block, found: list[str]) -> None:
        self.totals.update(records_processed=1, words=len(found), invalid_bytes=self._invalid)
        self._lengths.update(map(len, found))

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        self.count_lengths(self._lengths)
        return super().finish_bundle()


@dataclass
class KeyBySignature(Stage):
    """Word -> (its signature, 1), ready to be summed by `CountSignatures`."""

    def expand(self, words: PCollection[str]) -> PCollection[tuple[str, int]]:
        return self.run(words, "KeyWord", _KeyFn("anagrams", self.resilience), tuple[str, int])


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

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        self.totals["words_keyed"] += self._keyed
        return super().finish_bundle()


@dataclass
class KeyWithWord(Stage):
    """Word -> (its signature, the `ClassTally` of it alone), to be merged by `CollectClasses`.

    Words longer than `MAX_WORD_LENGTH` are left out.
    """

    def expand(self, words: PCollection[str]) -> PCollection[tuple[str, ClassTally]]:
        fn = _KeyWithWordFn("anagrams", self.resilience)
        return self.run(words, "KeyWord", fn, tuple[str, ClassTally])


class _KeyWithWordFn(ElementFn):
    def process_element(self, word: str) -> list[tuple[str, ClassTally]]:
        if len(word) > MAX_WORD_LENGTH:
            return []
        return [(signature(word), ClassTally(1, (word,)))]

    def dead_letter_payload(self, word: str) -> ClassCount:
        return ClassCount(signature(word), 1, (word,) if len(word) <= MAX_WORD_LENGTH else ())

    def count(self, word: str, keyed: list[tuple[str, ClassTally]]) -> None:
        self.totals["words_keyed" if keyed else "words_unmatched"] += 1
