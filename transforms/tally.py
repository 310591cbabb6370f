"""Blocks -> partial counts of each bundle, without making an element of every word."""

import dataclasses
import itertools
import queue
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from transforms.checks import check_positive
from transforms.dictionary import DictionarySpec
from transforms.kernel.fallback import PlainTally, Tally
from transforms.stages import metrics
from transforms.stages.bundles import in_global_window
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.stage import Stage, StageFn
from transforms.text.blocks import BLOCK_SIZE, Block

# A bundle of less text than this is counted without loading the compiler, in bytes.
_SMALL = 1 << 18
# Blocks are counted together until they have this many bytes: each time all counters are added up.
_BATCH_SIZE = 2 * BLOCK_SIZE


@dataclass
class TallyBlocks(Stage):
    """`Block` -> (signature, count) for each class of the dictionary that a bundle has.

    Attributes:
      dictionary: loaded once per worker process.
      min_word_length: shorter words, in code points, are left out.
      threads: how many cores a worker may use for one bundle.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    min_word_length: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(min_word_length=self.min_word_length, threads=self.threads)

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, int]]:
        fn = _TallyFn(self.dictionary, self.min_word_length, self.threads, self.resilience)
        return self.run(blocks, "TallyBundle", fn, tuple[str, int])


class _Counter(NamedTuple):
    """What one thread needs: a tally, and its own attempts."""

    tally: Tally
    words: Retrier
    anagrams: Retrier


class _BatchResult(NamedTuple):
    """A batch of blocks, the error if it was not counted, the time it took.

    Attributes:
      invalid_bytes: those left out before the text was counted.
    """

    batch: list[Block]
    error: RetriesExhaustedError | None
    seconds: float
    invalid_bytes: int


class _TallyFn(StageFn):
    def __init__(
        self,
        dictionary: DictionarySpec,
        min_word_length: int,
        threads: int,
        resilience: Resilience,
    ):
        super().__init__(resilience)
        self._dictionary = dictionary
        self._min_word_length = min_word_length
        self._retrier = [
            (Retrier("words", own), Retrier("anagrams", own))
            for own in (_of_thread(resilience, thread) for thread in range(threads))
        ]

    def start_bundle(self) -> None:
        super().start_bundle()
        self._batch: list[Block] = []
        self._batch_size = 0
        self._pool: _TallyPool | None = None

    def process(self, block: Block) -> Iterator[Any]:
        self._batch.append(block)
        self._batch_size += len(block.data)
        if self._batch_size >= _BATCH_SIZE:
            self._submit()
            yield from self._results(wait=False)

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        if self._batch:
            self._submit()
        for letter in self._results(wait=True):
            for value in in_global_window([letter.value]):
                yield TaggedOutput(letter.tag, value)
        if self._pool is not None:
            tally = self._pool.close()
            counted, by_length = list(tally.counted()), dict(tally.words_by_length())
            keyed, words = sum(count for _, count in counted), sum(by_length.values())
            self.totals.update(words=words, words_keyed=keyed, words_unmatched=words - keyed)
            self.totals.update(invalid_bytes=tally.invalid_bytes)
            self.count_lengths(by_length)
            yield from in_global_window(counted)
        yield from self.emit_totals(*itertools.chain(*self._retrier))

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = self._make_pool()
        self._pool.count(self._batch)
        self._batch, self._batch_size = [], 0

    def _results(self, *, wait: bool) -> Iterator[TaggedOutput]:
        """Takes note of the batches that are done, or waits for all; gives what was put aside."""
        for done in self._pool.done(wait=wait) if self._pool else ():
            if done.error is not None:
                for block in done.batch:
                    yield self.to_dead_letter(done.error, block)
            else:
                self.totals.update(
                    records_processed=len(done.batch), invalid_bytes=done.invalid_bytes
                )
                metrics.BLOCK_MICROSECONDS.update(round(1e6 * done.seconds))

    def _make_pool(self) -> "_TallyPool":
        if self._batch_size <= _SMALL:
            plain = PlainTally(self._dictionary.load(), self._min_word_length)
            return _TallyPool([_Counter(plain, *self._retrier[0])])
        # Here, as it loads the compiler.
        from transforms.kernel.tally import BlockTally, tally_table

        table = tally_table(self._dictionary)
        return _TallyPool(
            [
                _Counter(BlockTally(table, self._min_word_length), *attempts)
                for attempts in self._retrier
            ]
        )


def _of_thread(resilience: Resilience, thread: int) -> Resilience:
    chaos = resilience.chaos
    return dataclasses.replace(
        resilience, chaos=dataclasses.replace(chaos, seed=chaos.seed + thread)
    )


class _TallyPool:
    """Threads that count batches of blocks, each with a tally of its own."""

    def __init__(self, counters: list[_Counter]):
        self._counters = counters
        self._free: queue.SimpleQueue[_Counter] = queue.SimpleQueue()
        for counter in counters:
            self._free.put(counter)
        self._pool = ThreadPoolExecutor(len(counters)) if len(counters) > 1 else None
        self._pending: deque[Future[_BatchResult]] = deque()

    def count(self, batch: list[Block]) -> None:
        """Takes on one more batch; a single counter counts it at once."""
        if self._pool is not None:
            self._pending.append(self._pool.submit(self._count, batch))
            return
        done: Future[_BatchResult] = Future()
        done.set_result(self._count(batch))
        self._pending.append(done)

    def done(self, *, wait: bool) -> Iterator[_BatchResult]:
        """The batches that are done, in the order they came; waits where too many are not."""
        most = 0 if wait else 2 * len(self._counters)
        while self._pending and (len(self._pending) > most or self._pending[0].done()):
            yield self._pending.popleft().result()

    def close(self) -> Tally:
        """Ends the threads; gives their tallies, all in one."""
        if self._pool is not None:
            self._pool.shutdown()
        first, *others = (counter.tally for counter in self._counters)
        for tally in others:
            first.merge(tally)
        return first

    def _count(self, batch: list[Block]) -> _BatchResult:
        began, error, invalid = time.perf_counter(), None, 0
        counter = self._free.get()
        try:
            data, invalid = _in_utf8(batch)
            counter.words(counter.anagrams, counter.tally.add, data)
            counter.tally.commit()
        except RetriesExhaustedError as spent:
            error = spent
        finally:
            self._free.put(counter)
        return _BatchResult(batch, error, time.perf_counter() - began, invalid)


def _in_utf8(batch: list[Block]) -> tuple[bytes, int]:
    """-> the text of `batch`, and how many bytes it has lost on its way from other encodings."""
    pieces, lost = [], 0
    for block in batch:
        if block.encoding == "utf-8":
            pieces.append(block.data)
        else:
            text, invalid = block.decode()
            pieces.append(text.encode())
            lost += invalid
    return b" ".join(pieces), lost
