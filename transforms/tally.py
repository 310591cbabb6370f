"""Counts words in whole blocks, bundle by bundle, without an element for every word."""

import itertools
import queue
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import pyarrow
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from transforms.checks import check_positive, check_type
from transforms.columns.tables import (
    BUCKETS,
    BucketOfCounts,
    split_into_buckets,
    to_bytes,
    with_group,
)
from transforms.dictionary import DictionarySpec
from transforms.kernel.fallback import Counted, PlainTally, Tally
from transforms.stages import beam_metrics
from transforms.stages.bundles import in_global_window
from transforms.stages.groups import GroupedStage, InGroup
from transforms.stages.memory import release_free_memory
from transforms.stages.retry import Retrier, RetriesExhaustedError
from transforms.stages.stage import StageFn
from transforms.stages.threads import OrderedThreads
from transforms.stages.totals import Count
from transforms.stages.windows import check_countable_together
from transforms.text.blocks import BLOCK_SIZE, Block
from transforms.text.settings import TextSettings


@dataclass
class TallyBlocks(GroupedStage):
    """Counts the words in the blocks of a bundle: by anagram class, or in corpus mode each word.

    Yields the counts as columns, see `transforms.columns`; their keys are the signatures of the
    dictionary's classes that occur, or in corpus mode the words themselves. The results are those
    of `ExtractWords`, `KeyBySignature` and a sum over the bundle, but words are counted where they
    stand among the bytes, by compiled code that releases Python's lock.

    With groups, a thread counts one group at a time, and emits its counts before it begins with
    another one.

    Attributes:
      dictionary: loaded once per worker process.
      text: how bytes become words; its normalization must be that of the dictionary.
      min_word_length: shorter words, in code points, are left out.
      threads: how many cores a worker may use for one bundle.
      buckets: over how many buckets the counts are distributed.
      max_table_bytes: in corpus mode, how much memory the distinct words of a bundle may take
        before they are emitted.
      small_bundle_bytes: a bundle of no more text than this is counted without loading the
        compiler.
      batch_bytes: blocks are counted together up to this size, as each time all counters are
        added up.
      max_rows: with groups, how many rows of several ones are emitted together.

    Raises:
      ValueError: a setting is not possible, or `text` and `dictionary` differ in normalization.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    text: TextSettings = field(default_factory=TextSettings)
    min_word_length: int = 1
    threads: int = 1
    buckets: int = BUCKETS
    max_table_bytes: int = 1 << 30
    small_bundle_bytes: int = 1 << 18
    batch_bytes: int = 2 * BLOCK_SIZE
    max_rows: int = field(default=1 << 16, compare=False)  # of groups only
    measures: ClassVar = frozenset({Count.BLOCKS_PROCESSED, Count.WORDS, Count.WORDS_KEYED})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(DictionarySpec, dictionary=self.dictionary)
        check_type(TextSettings, text=self.text)
        if self.text.normalization != self.dictionary.normalization:
            raise ValueError(
                f"normalization={self.text.normalization!r}: that of the dictionary is "
                f"{self.dictionary.normalization!r}"
            )
        check_positive(
            min_word_length=self.min_word_length,
            threads=self.threads,
            batch_bytes=self.batch_bytes,
            buckets=self.buckets,
            max_table_bytes=self.max_table_bytes,
            max_rows=self.max_rows,
        )

    def expand(self, blocks: PCollection[Block | InGroup[Block]]) -> PCollection[BucketOfCounts]:
        check_countable_together(blocks, type(self).__name__)
        fn = _TallyGroupsFn(self) if self.per_group else _TallyFn(self)
        return self.apply_fn(blocks, "TallyBundle", fn, BucketOfCounts)


class _TallyFn(StageFn):
    _threads_share_words = True

    def __init__(self, settings: TallyBlocks):
        super().__init__(settings.resilience)
        self._dictionary = settings.dictionary
        self._text = settings.text
        self._min_word_length = settings.min_word_length
        self._small_bundle_bytes = settings.small_bundle_bytes
        self._batch_bytes = settings.batch_bytes
        self._buckets = settings.buckets
        self._max_table_bytes = settings.max_table_bytes
        self._retriers = [
            (Retrier("extract", own), Retrier("key", own))
            for own in map(settings.resilience.of_thread, range(settings.threads))
        ]

    def setup(self) -> None:
        self._dictionary = self._dictionary.pinned()

    def start_bundle(self) -> None:
        super().start_bundle()
        self._dictionary.report_lineage()
        self._batch: list[Block] = []
        self._batch_size = 0
        self._pool: _TallyPool | None = None

    def process(self, block: Any) -> Iterator[Any]:
        yield from self._add(block)

    def _add(self, block: Block) -> Iterator[Any]:
        self._batch.append(block)
        self._batch_size += len(block.data)
        if self._batch_size >= self._batch_bytes:
            self._submit()
            yield from self._collect(wait=False)

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput[str, Any]]:
        if self._batch:
            self._submit()
        yield from in_global_window(self._collect(wait=True))
        if self._pool is not None:
            for group, tally in self._pool.close():
                yield from in_global_window(self._emit(group, tally.drain()))
            if self._dictionary.is_corpus:  # whose words took much
                release_free_memory()
        yield from self.emit_totals(*itertools.chain(*self._retriers))

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = self._make_pool()
        self._pool.submit(self._batch)
        self._batch, self._batch_size = [], 0

    def _collect(self, *, wait: bool) -> Iterator[BucketOfCounts | TaggedOutput[str, Any]]:
        """Counts the batches that are done, or waits for all; yields counts and dead letters."""
        for result in self._pool.results(wait=wait) if self._pool else ():
            if result.error is not None:
                for block in result.batch:
                    yield self.to_dead_letter(result.error, block, result.group)
            else:
                self.totals.add(Count.BLOCKS_PROCESSED, len(result.batch))
                self.totals.add(Count.INVALID_BYTES, result.invalid_bytes)
                beam_metrics.BLOCK_MICROSECONDS.update(round(1e6 * result.seconds))
            for group, parts in result.drained:
                yield from self._emit(group, parts)

    def _emit(self, group: str | None, parts: Iterable[Counted]) -> Iterator[BucketOfCounts]:
        """Yields the columns of what was counted, and adds it to the totals."""
        for counted in parts:
            self._add_to_totals(counted)
            if counted.bucket is None:
                yield from split_into_buckets(counted.columns, self._buckets)
            elif counted.columns.num_rows:
                yield counted.bucket, to_bytes(counted.columns)

    def _add_to_totals(self, counted: Counted) -> None:
        keyed = int(counted.columns["count"].to_numpy().sum())
        words = sum(counted.words_by_length.values())
        self.totals.add(Count.WORDS, words)
        self.totals.add(Count.WORDS_KEYED, keyed)
        self.totals.add(Count.WORDS_UNMATCHED, words - keyed)
        self.totals.add(Count.INVALID_BYTES, counted.invalid_bytes)
        self.totals.add_words_by_length(counted.words_by_length)

    def _make_pool(self) -> "_TallyPool":
        dictionary = None if self._dictionary.is_corpus else self._dictionary.load()
        is_large = dictionary is not None and dictionary.words.is_large
        if self._batch_size <= self._small_bundle_bytes and not is_large:
            plain = PlainTally(dictionary, self._text, self._min_word_length)
            return _TallyPool([_Counter(plain, *self._retriers[0])])
        make_tally = self._tally_maker()
        return _TallyPool([_Counter(make_tally(), *retriers) for retriers in self._retriers])

    def _tally_maker(self) -> Callable[[], Tally]:
        """Returns what makes a compiled tally for each thread."""
        # Imported only here, as it loads the compiler.
        if self._dictionary.is_corpus:
            from transforms.kernel.distinct import DistinctTally, spelling_table
            from transforms.kernel.word_table import WordStore

            spellings = spelling_table(self._text)
            store = WordStore(self._buckets, self._max_table_bytes)

            def make_tally() -> Tally:
                own = store if self._threads_share_words else store.like(buckets=1)
                return DistinctTally(spellings, own, self._min_word_length)

            return make_tally
        from transforms.kernel.tally import BlockTally, tally_table

        table = tally_table(self._dictionary, self._text)
        return lambda: BlockTally(table, self._min_word_length)


class _TallyGroupsFn(_TallyFn):
    """Counts the (group, block) pairs of a bundle by group."""

    _threads_share_words = False  # each may have another group

    def __init__(self, settings: TallyBlocks):
        super().__init__(settings)
        self._max_rows = settings.max_rows

    def start_bundle(self) -> None:
        super().start_bundle()
        self._groups: defaultdict[str, list[Block]] = defaultdict(list)  # those of the batch
        self._tables: list[pyarrow.Table] = []
        self._rows = 0

    def process(self, pair: Any) -> Iterator[Any]:
        group, block = pair
        self._groups[group].append(block)
        yield from self._add(block)

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput[str, Any]]:
        yield from super().finish_bundle()
        yield from in_global_window(self._drain())

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = self._make_pool()
        for group, blocks in self._groups.items():
            self._pool.submit(blocks, group)
        self._groups.clear()
        self._batch, self._batch_size = [], 0

    def _emit(self, group: str | None, parts: Iterable[Counted]) -> Iterator[BucketOfCounts]:
        for counted in parts:
            self._add_to_totals(counted)
            if group is None:  # of a tally that had not begun
                continue
            self._tables.append(with_group(counted.columns, group))
            self._rows += counted.columns.num_rows
            if self._rows >= self._max_rows:
                yield from self._drain()

    def _drain(self) -> Iterator[BucketOfCounts]:
        tables, self._tables, self._rows = self._tables, [], 0
        if tables:
            together = pyarrow.concat_tables(tables).combine_chunks()
            yield from split_into_buckets(together, self._buckets)


@dataclass
class _Counter:
    """What one thread needs: a tally, which is of one group at a time, and retriers of its own."""

    tally: Tally
    extract_retrier: Retrier
    key_retrier: Retrier
    group: str | None = None


class _BatchResult(NamedTuple):
    """What came of a batch of blocks.

    Attributes:
      batch: the blocks.
      group: that they are in, if there are any.
      error: why they were not counted, if so.
      seconds: how long it took.
      invalid_bytes: those left out before the text was counted.
      drained: what tallies that were full had counted so far, or those that another group had;
        with the group.
    """

    batch: list[Block]
    group: str | None
    error: RetriesExhaustedError | None
    seconds: float
    invalid_bytes: int
    drained: list[tuple[str | None, list[Counted]]]


class _TallyPool:
    """Threads that count batches of blocks, each with a tally of its own.

    A single counter works in the caller's thread.
    """

    def __init__(self, counters: list[_Counter]):
        self._counters = counters
        self._free: queue.SimpleQueue[_Counter] = queue.SimpleQueue()
        for counter in counters:
            self._free.put(counter)
        self._threads: OrderedThreads[_BatchResult] = OrderedThreads(len(counters))

    def submit(self, batch: list[Block], group: str | None = None) -> None:
        """Adds one more batch, of a group if there are any."""
        self._threads.submit(self._count, batch, group)

    def results(self, *, wait: bool) -> Iterator[_BatchResult]:
        """Yields the batches that are done, see `OrderedThreads.results`."""
        return self._threads.results(wait=wait)

    def close(self) -> Iterable[tuple[str | None, Tally]]:
        """Ends the threads and returns their tallies, those of a group merged."""
        self._threads.close()
        tallies: dict[str | None, Tally] = {}
        for counter in self._counters:
            tally = tallies.setdefault(counter.group, counter.tally)
            if tally is not counter.tally:
                tally.merge(counter.tally)
        return tallies.items()

    def _count(self, batch: list[Block], group: str | None) -> _BatchResult:
        began, error, invalid_bytes = time.perf_counter(), None, 0
        drained: list[tuple[str | None, list[Counted]]] = []
        counter = self._free.get()
        try:
            if counter.group != group:
                drained.append((counter.group, list(counter.tally.drain())))
                counter.group = group
            data, invalid_bytes = _to_utf8(batch)
            counter.extract_retrier(counter.key_retrier, counter.tally.add, data)
            counter.tally.commit()
            if counter.tally.is_full:
                drained.append((group, list(counter.tally.drain())))
        except RetriesExhaustedError as exhausted:
            error = exhausted
        finally:
            self._free.put(counter)
        seconds = time.perf_counter() - began
        return _BatchResult(batch, group, error, seconds, invalid_bytes, drained)


def _to_utf8(batch: list[Block]) -> tuple[bytes, int]:
    """Returns the text of a batch, and how many invalid bytes other encodings have lost."""
    pieces, lost = [], 0
    for block in batch:
        if block.encoding == "utf-8":
            pieces.append(block.data)
        else:
            text, invalid_bytes = block.decode()
            pieces.append(text.encode())
            lost += invalid_bytes
    return b" ".join(pieces), lost
