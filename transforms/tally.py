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
from transforms.columns.buckets import BUCKETS, BucketOfCounts, split_into_buckets
from transforms.columns.passing import passed
from transforms.columns.tables import with_group
from transforms.dictionary import DictionarySpec
from transforms.kernel.fallback import Counted, Part, PlainTally, Tally
from transforms.stages import beam_metrics
from transforms.stages.bundles import in_global_window
from transforms.stages.groups import GroupedStage, InGroup
from transforms.stages.memory import release_free_memory
from transforms.stages.retry import Retrier, RetriesExhaustedError, applying
from transforms.stages.stage import StageFn
from transforms.stages.threads import OrderedThreads, map_in_order
from transforms.stages.totals import Count
from transforms.stages.windows import check_countable_together
from transforms.text.blocks import BLOCK_SIZE, Block
from transforms.text.settings import TextSettings


@dataclass
class TallyBlocks(GroupedStage):
    """Counts the words in the blocks of a bundle: by anagram class, or in corpus mode each word.

    Yields the counts as columns, see `transforms.columns`; their keys are the signatures of the
    dictionary's classes that occur, or in corpus mode the words themselves. The results equal those
    of `ExtractWords`, `KeyBySignature` and a sum over the bundle, but words are counted directly in
    the bytes of the text, by compiled code that releases Python's global lock.

    With groups, a thread counts one group at a time, and emits its counts before it begins the next
    group.

    Attributes:
      dictionary: loaded once per worker process.
      text: how bytes become words; its normalization must be that of the dictionary.
      min_word_length: shorter words, in code points, are left out.
      threads: how many cores a worker may use for one bundle.
      buckets: the number of buckets over which the counts are distributed.
      max_table_bytes: in corpus mode, how many bytes of memory the distinct words of a bundle may
        take before they are emitted.
      small_bundle_bytes: a bundle with at most this many bytes of text is counted without loading
        the compiler.
      batch_bytes: blocks are counted together, until they have this many bytes, or one of them has
        half as many. A thread needs Python's global lock before and after each batch; with a
        quarter of the default, small files take a fifth longer.
      max_rows: with groups, how many rows of several groups are emitted together.

    Raises:
      ValueError: a setting is invalid, or `text` and `dictionary` differ in normalization.
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
        with applying(self._resilience):
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
        # To join the bytes of large blocks would cost more than it saves.
        if max(self._batch_size, 2 * len(block.data)) >= self._batch_bytes:
            self._submit()
            yield from self._collect(wait=False)

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput[str, Any]]:
        if self._batch:
            self._submit()
        yield from in_global_window(self._collect(wait=True))
        if self._pool is not None:
            for group, tally in self._pool.close():
                yield from in_global_window(self._emit(group, tally.drain()))
            if self._dictionary.is_corpus:  # its words took much memory
                release_free_memory()
        yield from self.emit_totals(*itertools.chain(*self._retriers))

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = self._make_pool()
        self._pool.submit(self._batch)
        self._batch, self._batch_size = [], 0

    def _collect(self, *, wait: bool) -> Iterator[BucketOfCounts | TaggedOutput[str, Any]]:
        """Yields the counts and dead letters of the finished batches, or waits for all of them."""
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

    def _emit(self, group: str | None, parts: Iterable[Part]) -> Iterator[BucketOfCounts]:
        """Yields counts as columns, and adds them to the totals."""
        for counted, columns in map_in_order(_encoded, parts, len(self._retriers)):
            self._add_to_totals(counted)
            if counted.bucket is None:
                yield from split_into_buckets(counted.columns, self._buckets)
            elif columns:
                yield counted.bucket, columns

    def _add_to_totals(self, counted: Counted) -> None:
        keyed = int(counted.columns["count"].to_numpy().sum())
        words = sum(counted.words_by_length.values())
        self.totals.add(Count.WORDS, words)
        self.totals.add(Count.WORDS_KEYED, keyed)
        self.totals.add(Count.WORDS_UNMATCHED, words - keyed)
        self.totals.add(Count.INVALID_BYTES, counted.invalid_bytes)
        self.totals.add_words_by_length(counted.words_by_length)

    def _make_pool(self) -> "_TallyPool":
        with applying(self._resilience):
            dictionary = None if self._dictionary.is_corpus else self._dictionary.load()
        is_large = dictionary is not None and dictionary.words.is_large
        if self._batch_size <= self._small_bundle_bytes and not is_large:
            plain = PlainTally(dictionary, self._text, self._min_word_length)
            return _TallyPool([_Counter(plain, *self._retriers[0])])
        make_tally = self._tally_maker()
        return _TallyPool([_Counter(make_tally(), *retriers) for retriers in self._retriers])

    def _tally_maker(self) -> Callable[[], Tally]:
        """Returns a function that makes a compiled tally for a thread."""
        # Imported only here, because it loads the compiler.
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


def _encoded(part: Part) -> tuple[Counted, bytes]:
    """Returns a part, and its columns as an element if they have rows and are of one bucket."""
    counted = part()
    is_bucket = counted.bucket is not None and counted.columns.num_rows > 0
    return counted, passed(counted.columns) if is_bucket else b""


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

    def _emit(self, group: str | None, parts: Iterable[Part]) -> Iterator[BucketOfCounts]:
        for counted in (part() for part in parts):
            self._add_to_totals(counted)
            if group is None:  # a tally that has counted nothing
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
    """The state of one thread: a tally, of one group at a time, and its retriers."""

    tally: Tally
    extract_retrier: Retrier
    key_retrier: Retrier
    group: str | None = None


class _BatchResult(NamedTuple):
    """The result of counting a batch of blocks.

    Attributes:
      batch: the blocks.
      group: their group, if words are counted by group.
      error: the error if they could not be counted.
      seconds: how long counting took.
      invalid_bytes: the number of bytes that were deleted before the text was counted.
      drained: earlier counts that the thread has emitted because its tally was full or had another
        group; each with its group.
    """

    batch: list[Block]
    group: str | None
    error: RetriesExhaustedError | None
    seconds: float
    invalid_bytes: int
    drained: list[tuple[str | None, list[Part]]]


class _TallyPool:
    """Threads that count batches of blocks, each with a tally of its own.

    If there is only one counter, it works in the caller's thread.
    """

    def __init__(self, counters: list[_Counter]):
        self._counters = counters
        self._free: queue.SimpleQueue[_Counter] = queue.SimpleQueue()
        for counter in counters:
            self._free.put(counter)
        self._threads: OrderedThreads[_BatchResult] = OrderedThreads(len(counters))

    def submit(self, batch: list[Block], group: str | None = None) -> None:
        """Adds a batch, with its group if words are counted by group."""
        self._threads.submit(self._count, batch, group)

    def results(self, *, wait: bool) -> Iterator[_BatchResult]:
        """Yields the finished batches, see `OrderedThreads.results`."""
        return self._threads.results(wait=wait)

    def close(self) -> Iterable[tuple[str | None, Tally]]:
        """Ends the threads and returns their tallies, merged by group."""
        self._threads.close()
        tallies: dict[str | None, Tally] = {}
        for counter in self._counters:
            tally = tallies.setdefault(counter.group, counter.tally)
            if tally is not counter.tally:
                tally.merge(counter.tally)
        return tallies.items()

    def _count(self, batch: list[Block], group: str | None) -> _BatchResult:
        began, error, invalid_bytes = time.perf_counter(), None, 0
        drained: list[tuple[str | None, list[Part]]] = []
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
    """Returns the text of a batch in UTF-8, and how many invalid bytes were deleted from it."""
    pieces, lost = [], 0
    for block in batch:
        if block.encoding == "utf-8":
            pieces.append(block.data)
        else:
            text, invalid_bytes = block.decode()
            pieces.append(text.encode())
            lost += invalid_bytes
    return b" ".join(pieces), lost
