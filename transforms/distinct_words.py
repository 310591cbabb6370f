"""Counts the distinct words of each bundle, for a text that is its own dictionary."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from transforms.checks import check_positive, check_type
from transforms.columns import bucket_words
from transforms.stages.bundles import in_global_window
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH
from transforms.text.settings import TextSettings


@dataclass
class CountDistinctWords(Stage):
    """Counts the distinct words of each bundle, as (bucket, columns); see `transforms.columns`.

    Words longer than `MAX_WORD_LENGTH` are left out.

    Attributes:
      text: how bytes become words.
      min_word_length: shorter words, in code points, are left out.
      max_distinct: how many distinct words a bundle may hold before it emits them.
    """

    text: TextSettings = field(default_factory=TextSettings)
    min_word_length: int = 1
    max_distinct: int = 1 << 18
    measures: ClassVar = frozenset({Count.BLOCKS_PROCESSED, Count.WORDS, Count.WORDS_KEYED})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(TextSettings, text=self.text)
        check_positive(min_word_length=self.min_word_length, max_distinct=self.max_distinct)

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[int, bytes]]:
        fn = _CountDistinctFn(self.text, self.min_word_length, self.max_distinct, self.resilience)
        return self.apply_fn(blocks, "CountInBundle", fn, tuple[int, bytes])


class _CountDistinctFn(StageFn):
    def __init__(
        self, text: TextSettings, min_word_length: int, max_distinct: int, resilience: Resilience
    ):
        super().__init__(resilience)
        self._text = text
        self._min_word_length = min_word_length
        self._max_distinct = max_distinct
        self._extract_retrier = Retrier("extract", resilience)
        self._key_retrier = Retrier("key", resilience)

    def start_bundle(self) -> None:
        super().start_bundle()
        self._seen: Counter[str] = Counter()

    def process(self, block: Block) -> Iterator[Any]:
        try:
            found, invalid_bytes = self._extract_retrier(
                self._key_retrier, block.words, self._text, self._min_word_length
            )
        except RetriesExhaustedError as error:
            yield self.to_dead_letter(error, block)
            return
        self._seen.update(found)
        self.totals.add(Count.BLOCKS_PROCESSED)
        self.totals.add(Count.INVALID_BYTES, invalid_bytes)
        if len(self._seen) >= self._max_distinct:
            yield from self._drain()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput[str, Any]]:
        yield from in_global_window(self._drain())
        yield from self.emit_totals(self._extract_retrier, self._key_retrier)

    def _drain(self) -> Iterator[tuple[int, bytes]]:
        seen, self._seen = self._seen, Counter()
        lengths: Counter[int] = Counter()
        for word, number in seen.items():
            lengths[len(word)] += number
        self.totals.add_words_by_length(lengths)
        self.totals.add(Count.WORDS, seen.total())
        for word in [word for word in seen if len(word) > MAX_WORD_LENGTH]:
            self.totals.add(Count.WORDS_UNMATCHED, seen.pop(word))
        self.totals.add(Count.WORDS_KEYED, seen.total())
        yield from bucket_words(seen)
