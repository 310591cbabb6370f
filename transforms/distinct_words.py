"""Blocks -> the distinct words of each bundle, for a text that is its own dictionary."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from transforms.checks import check_one_of, check_positive
from transforms.columns import bucket_words
from transforms.stages.bundles import in_global_window
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.stage import Stage, StageFn
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS
from transforms.words import extract

# Distinct words that a bundle holds before it hands them on.
_MAX_DISTINCT = 1 << 18


@dataclass
class CountDistinctWords(Stage):
    """`Block` -> (bucket, columns) of the distinct words of a bundle, see `transforms.columns`.

    Words longer than `MAX_WORD_LENGTH` are left out. A bundle with very many distinct words
    hands them on in parts.
    """

    normalization: str = "unicode"
    min_word_length: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_positive(min_word_length=self.min_word_length)

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[int, bytes]]:
        fn = _CountDistinctFn(self.normalization, self.min_word_length, self.resilience)
        return self.run(blocks, "CollectBundle", fn, tuple[int, bytes])


class _CountDistinctFn(StageFn):
    def __init__(self, normalization: str, min_word_length: int, resilience: Resilience):
        super().__init__(resilience)
        self._normalization = normalization
        self._min_word_length = min_word_length
        self._words = Retrier("words", resilience)
        self._anagrams = Retrier("anagrams", resilience)

    def start_bundle(self) -> None:
        super().start_bundle()
        self._seen: Counter[str] = Counter()

    def process(self, block: Block) -> Iterator[Any]:
        try:
            found, invalid = self._words(
                self._anagrams, extract, block, self._normalization, self._min_word_length
            )
        except RetriesExhaustedError as error:
            yield self.to_dead_letter(error, block)
            return
        self._seen.update(found)
        self.totals.update(records_processed=1, invalid_bytes=invalid)
        if len(self._seen) >= _MAX_DISTINCT:
            yield from self._take()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        yield from in_global_window(self._take())
        yield from self.emit_totals(self._words, self._anagrams)

    def _take(self) -> Iterator[tuple[int, bytes]]:
        seen, self._seen = self._seen, Counter()
        lengths: Counter[int] = Counter()
        for word, number in seen.items():
            lengths[len(word)] += number
        self.count_lengths(lengths)
        self.totals["words"] += seen.total()
        for word in [word for word in seen if len(word) > MAX_WORD_LENGTH]:
            self.totals["words_unmatched"] += seen.pop(word)
        self.totals["words_keyed"] += seen.total()
        yield from bucket_words(seen)
