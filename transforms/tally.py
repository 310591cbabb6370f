"""Blocks -> partial counts of each bundle, without making an element of every word."""

import queue
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import PCollection
from apache_beam.utils.windowed_value import WindowedValue

from transforms.blocks import BLOCK_SIZE, Block
from transforms.bundles import in_global_window
from transforms.checks import check_one_of, check_positive
from transforms.counts import ClassTally
from transforms.dictionary import DictionarySpec
from transforms.encoding import ERROR_POLICIES
from transforms.kernel import BlockTally, TallyTable, tally_table
from transforms.signature import signature
from transforms.text import MAX_WORD_LENGTH, NORMALIZATIONS, words

# A bundle of less text than this is counted without loading the compiler, in bytes.
_SMALL = 1 << 18
# Distinct words that a bundle holds in corpus mode before it hands them on.
_MAX_DISTINCT = 1 << 18


@dataclass
class TallyBlocks(beam.PTransform):
    """`Block` -> (signature, count) for each class of the dictionary that a bundle has.

    Attributes:
      dictionary: loaded once per worker process.
      encoding_errors: ``replace`` leaves undecodable bytes out, ``strict`` raises `AnagramError`.
      min_word_length: shorter words, in code points, are left out.
      threads: how many cores a worker may use for one bundle.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    encoding_errors: str = "replace"
    min_word_length: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        super().__init__()
        check_one_of(ERROR_POLICIES, encoding_errors=self.encoding_errors)
        check_positive(min_word_length=self.min_word_length, threads=self.threads)

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, int]]:
        fn = _TallyFn(self.dictionary, self.encoding_errors, self.min_word_length, self.threads)
        return blocks | "TallyBundle" >> beam.ParDo(fn).with_output_types(tuple[str, int])


class _TallyFn(beam.DoFn):
    def __init__(self, dictionary: DictionarySpec, errors: str, min_word_length: int, threads: int):
        self._dictionary = dictionary
        self._errors = errors
        self._min_word_length = min_word_length
        self._threads = threads

    def start_bundle(self) -> None:
        self._small: Counter[str] = Counter()
        self._small_size = 0
        self._tallies: _Tallies | None = None

    def process(self, block: Block) -> Iterator[tuple[str, int]]:
        self._small_size += len(block.data)
        if self._small_size <= _SMALL:
            text, _ = block.decode(self._errors)
            self._small.update(
                signature(word)
                for word in words(text, self._dictionary.normalization)
                if len(word) >= self._min_word_length
            )
        else:
            if self._tallies is None:
                table = tally_table(self._dictionary)
                self._tallies = _Tallies(table, self._errors, self._min_word_length, self._threads)
            self._tallies.add(block)
        return iter(())

    def finish_bundle(self) -> Iterator[WindowedValue]:
        classes = self._dictionary.load().classes
        partial = [(key, count) for key, count in sorted(self._small.items()) if key in classes]
        if self._tallies is not None:
            partial += self._tallies.finish()
        return in_global_window(partial)


class _Tallies:
    """One `BlockTally` for each thread, and the threads."""

    def __init__(self, table: TallyTable, errors: str, min_word_length: int, threads: int):
        self._table = table
        self._errors = errors
        self._all = [BlockTally(table, min_word_length) for _ in range(threads)]
        self._free: queue.SimpleQueue[BlockTally] = queue.SimpleQueue()
        for tally in self._all:
            self._free.put(tally)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._pending: deque[Future[None]] = deque()
        self._batch: list[Block] = []
        self._batch_size = 0

    def add(self, block: Block) -> None:
        """Counts the words of `block`, or of several small ones together."""
        self._batch.append(block)
        self._batch_size += len(block.data)
        if self._batch_size >= BLOCK_SIZE // 2:
            self._submit()

    def _submit(self) -> None:
        batch, self._batch, self._batch_size = self._batch, [], 0
        if self._pool is None:
            self._add(batch)
            return
        self._pending.append(self._pool.submit(self._add, batch))
        while len(self._pending) > 2 * len(self._all):
            self._pending.popleft().result()

    def _add(self, batch: list[Block]) -> None:
        data = b" ".join(map(self._in_utf8, batch))
        tally = self._free.get()
        try:
            tally.add(data)
        finally:
            self._free.put(tally)
        if self._errors == "strict" and tally.invalid_bytes:
            for block in batch:
                block.decode(self._errors)

    def _in_utf8(self, block: Block) -> bytes:
        if block.encoding == "utf-8":
            return block.data
        return block.decode(self._errors)[0].encode()

    def finish(self) -> list[tuple[str, int]]:
        self._submit()
        while self._pending:
            self._pending.popleft().result()
        if self._pool is not None:
            self._pool.shutdown()
        counts = np.sum([tally.counts for tally in self._all], axis=0)
        return [(self._table.signatures[i], int(counts[i])) for i in np.flatnonzero(counts)]


@dataclass
class CollectBlocks(beam.PTransform):
    """`Block` -> (signature, `ClassTally` of one word) for each distinct word of a bundle.

    Words longer than `MAX_WORD_LENGTH` are left out. A bundle with very many distinct words
    hands them on in parts.
    """

    normalization: str = "unicode"
    encoding_errors: str = "replace"
    min_word_length: int = 1

    def __post_init__(self) -> None:
        super().__init__()
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_one_of(ERROR_POLICIES, encoding_errors=self.encoding_errors)
        check_positive(min_word_length=self.min_word_length)

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, ClassTally]]:
        return blocks | "CollectBundle" >> beam.ParDo(
            _CollectFn(self.normalization, self.encoding_errors, self.min_word_length)
        ).with_output_types(tuple[str, ClassTally])


class _CollectFn(beam.DoFn):
    def __init__(self, normalization: str, errors: str, min_word_length: int):
        self._normalization = normalization
        self._errors = errors
        self._min_word_length = min_word_length

    def start_bundle(self) -> None:
        self._seen: Counter[str] = Counter()

    def process(self, block: Block) -> Iterator[tuple[str, ClassTally]]:
        text, _ = block.decode(self._errors)
        self._seen.update(words(text, self._normalization))
        if len(self._seen) >= _MAX_DISTINCT:
            yield from self._take()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        return in_global_window(self._take())

    def _take(self) -> Iterator[tuple[str, ClassTally]]:
        seen, self._seen = self._seen, Counter()
        for word, count in seen.items():
            if self._min_word_length <= len(word) <= MAX_WORD_LENGTH:
                yield signature(word), ClassTally(count, (word,))
