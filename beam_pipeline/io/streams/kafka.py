"""Reads messages of a Kafka topic as `Block`s, with Beam's `UnboundedSource` and kafka-python.

A split is one or more partitions, and a checkpoint mark has the offset of the next message of each.
The event time is the timestamp of a message.

The watermark of a partition is the greatest timestamp read so far, minus `KafkaTopic.delay`, by
which messages may be out of order. An idle partition, of which everything has been read, would hold
the watermark back for ever. So its watermark follows the clock, minus the same delay, assuming that
later messages are not older. Readers ask the broker whether everything has been read, so a broker
that does not answer holds the watermark. The watermark of a split is that of its slowest partition.
"""

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from apache_beam import coders
from apache_beam.io.unbounded_source import (
    CheckpointMark,
    ReadFromUnboundedSource,
    UnboundedReader,
    UnboundedSource,
)
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from beam_pipeline.io.streams.kafka_offsets import KafkaMark
from beam_pipeline.io.streams.kafka_partitions import Partitions, connected_consumer, retried
from beam_pipeline.io.streams.kafka_topic import KafkaTopic
from beam_pipeline.io.streams.messages import ReadMessages, block_of
from beam_pipeline.io.streams.unbounded import ReadUnfinalized
from beam_pipeline.monitor.stream_progress import PartitionProgress
from transforms.checks import check_positive, check_type
from transforms.errors import InputError
from transforms.stages.retry import Resilience, Retrier, describe
from transforms.text.blocks import Block
from transforms.text.encoding import Encoding

# How long to wait for messages, in milliseconds: a reader should not block.
_POLL_MS = 50
# How long to wait for the first messages, while there are no connections yet.
_FIRST_POLL_MS = 2000
# How often the broker is asked whether there are more messages, in seconds.
_ASK_INTERVAL = 0.5


class PartitionRange(NamedTuple):
    """The range of messages to read from a partition.

    Attributes:
      partition: the number of the partition.
      first: the offset of the first message.
      end: the offset after the last message; None for an unbounded range.
    """

    partition: int
    first: int
    end: int | None = None


@dataclass(frozen=True)
class KafkaSource(UnboundedSource):
    """A topic, or some of its partitions.

    Attributes:
      topic: the topic, and what to read from it.
      encoding: the encoding of messages. If None, a byte order mark decides for each message,
        otherwise it is UTF-8.
      resilience: how many times requests to the broker are tried.
      commits: whether offsets are committed to the group when the runner finalizes a checkpoint.
      max_splits: the maximum number of splits; None for one split for each partition.
      progress_folder: the folder to which readers write their progress, see
        `beam_pipeline.monitor.stream_progress`.
      ranges: the partitions of this split; empty for the whole topic, which is split later.
    """

    topic: KafkaTopic
    encoding: str | None = None
    resilience: Resilience = field(default_factory=Resilience)
    commits: bool = False
    max_splits: int | None = None
    progress_folder: str = ""
    ranges: tuple[PartitionRange, ...] = ()

    def split(
        self, desired_num_splits: int, options: Any = None
    ) -> "Iterable[KafkaSource] | Iterable[UnboundedSource]":
        """Returns a source for each partition, or fewer if there would be too many."""
        if self.ranges:
            return [self]
        with contextlib.closing(Partitions(self.topic, self.resilience)) as partitions:
            numbers = partitions.numbers()
            starts = partitions.starts(numbers)
            ends = partitions.ends(numbers) if self.topic.until_now else {}
        ranges = [PartitionRange(each, starts[each], ends.get(each)) for each in numbers]
        parts = min(len(ranges), self.max_splits or desired_num_splits)
        return [replace(self, ranges=tuple(ranges[part::parts])) for part in range(parts)]

    def create_reader(self, options: Any, checkpoint_mark: CheckpointMark | None) -> "KafkaReader":
        """Returns a reader that begins at a mark, or at the beginning of the ranges."""
        if not self.ranges:
            # If splitting fails, Beam reads the source unsplit, so the error is raised here.
            list(self.split(1))
            raise InputError(f"{self.topic.name}: its partitions could not be listed")
        mark = cast("KafkaMark | None", checkpoint_mark)
        offsets = {} if mark is None else dict(mark.offsets)
        ranges = tuple(
            each._replace(first=offsets.pop(each.partition, each.first)) for each in self.ranges
        )
        ranges += tuple(PartitionRange(*added) for added in offsets.items())
        return KafkaReader(self, ranges)

    @property
    def is_whole(self) -> bool:
        """Whether one reader reads all partitions, including those that are added later."""
        return self.max_splits == 1

    def get_checkpoint_mark_coder(self) -> coders.Coder:
        """Returns the coder of `KafkaMark`s."""
        return coders.PickleCoder()


class _PartitionState:
    """The progress of reading one partition.

    Attributes:
      position: the offset of the next message to be returned.
      fetched: the offset after all messages that have been fetched.
      end: the offset after the last message; None if unbounded.
      waiting: how many messages were fetched but not returned yet.
      newest: the greatest timestamp that was returned, at most the time of returning it.
      caught_up: the last time at which there was nothing more to fetch.
      progress: publishes the progress to the process that waits for the run.
    """

    def __init__(self, given: PartitionRange, progress: PartitionProgress):
        self.position = self.fetched = given.first
        self.end = given.end
        self.waiting = 0
        self.newest = self.caught_up = float("-inf")
        self.progress = progress

    @property
    def has_ended(self) -> bool:
        """Whether all of its messages have been returned, and no more are wanted."""
        return not self.waiting and self.end is not None and self.fetched >= self.end

    @property
    def next_offset(self) -> int:
        """The offset of the next message to be returned, even if it does not exist yet."""
        # If nothing is waiting, the messages in between have been removed, or were in transactions.
        return self.position if self.waiting else max(self.position, self.fetched)

    @property
    def complete_until(self) -> float:
        """The time up to which all messages have been returned, if none is out of order."""
        if self.has_ended:
            return float("inf")
        return self.newest if self.waiting else max(self.newest, self.caught_up)


class KafkaReader(UnboundedReader):
    """Reads the messages of one or more partitions; those of each partition in order.

    Args:
      source: the source of the partitions.
      ranges: what to read from each partition.
    """

    def __init__(self, source: KafkaSource, ranges: Iterable[PartitionRange]):
        self._source, self._topic = source, source.topic
        self._encoding = None if source.encoding is None else Encoding(source.encoding)
        self._retrier = Retrier("read", source.resilience)
        self._consumer: Any = None
        self._messages: deque[Any] = deque()
        self._current: Any = None
        self._asked = float("-inf")
        self._states = {each.partition: self._new_state(each) for each in ranges}

    def start(self) -> bool:
        """Connects, and returns whether there is a message."""
        self._retried(self._connect)
        return self._fetch(_FIRST_POLL_MS) and self.advance()

    def _retried(self, work: Any, *args: Any) -> Any:
        return retried(self._retrier, self._topic, work, *args)

    def _connect(self) -> None:
        self.close()
        self._consumer = connected_consumer(replace(self._topic, group=None))
        self._assign()

    def _new_state(self, given: PartitionRange) -> _PartitionState:
        name = f"{self._topic.topic}/{given.partition}"
        return _PartitionState(given, PartitionProgress(self._source.progress_folder, name))

    def _assign(self) -> None:
        self._consumer.assign(list(map(self._key, self._states)))
        for partition, state in self._states.items():
            self._consumer.seek(self._key(partition), state.fetched)

    def _key(self, partition: int) -> Any:
        from kafka import TopicPartition

        return TopicPartition(self._topic.topic, partition)

    def advance(self) -> bool:
        """Moves to the next message; returns whether there is one."""
        while self._messages or self._fetch():
            message = self._messages.popleft()
            state = self._states[message.partition]
            state.waiting -= 1
            state.position = message.offset + 1
            if message.value is None:  # a tombstone: messages with this key are outdated
                continue
            self._current = message
            now = time.time()
            self._seconds = message.timestamp / 1000 if message.timestamp >= 0 else now
            # A producer's clock may be ahead; it must not advance the watermark of others.
            state.newest = max(state.newest, min(self._seconds, now))
            state.progress.add(len(message.value), self._seconds)
            return True
        return False

    def _fetch(self, timeout_ms: int = _POLL_MS) -> bool:
        """Fetches messages; returns whether there are any."""
        if all(state.has_ended for state in self._states.values()):
            return False
        polled = self._retried(self._poll, timeout_ms)
        for partition, state in self._states.items():
            key = self._key(partition)
            messages = polled.get(key, [])
            if messages:
                state.fetched = messages[-1].offset + 1
            elif not state.has_ended:
                # Messages may have been removed, or belong to transactions.
                state.fetched = max(state.fetched, self._consumer.position(key) or 0)
            if state.end is not None:
                messages = [message for message in messages if message.offset < state.end]
                if state.fetched >= state.end:
                    self._consumer.pause(key)
            state.waiting += len(messages)
            self._messages.extend(messages)
        if time.monotonic() - self._asked >= _ASK_INTERVAL:
            self._ask()
        return bool(self._messages)

    def _poll(self, timeout_ms: int) -> Mapping[Any, list[Any]]:
        from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

        try:
            polled: Mapping[Any, list[Any]] = self._consumer.poll(timeout_ms=timeout_ms)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            raise InputError(
                f"{self._topic.name}: messages that were to be read are no longer there: the "
                f"broker has removed them, or the topic was made anew ({describe(error)})"
            ) from error
        return polled

    def _ask(self) -> None:
        """Asks the broker for the current ends of the partitions, and for new partitions."""
        if self._source.is_whole and not self._topic.until_now:
            found = self._retried(self._consumer.partitions_for_topic, self._topic.topic) or ()
            if new := sorted(set(found) - set(self._states)):
                self._states |= {each: self._new_state(PartitionRange(each, 0)) for each in new}
                self._assign()
        now = time.time()
        ends = self._retried(self._consumer.end_offsets, list(map(self._key, self._states)))
        self._asked = time.monotonic()
        for key, end in ends.items():
            state = self._states[key.partition]
            state.progress.lag((end if state.end is None else state.end) - state.position)
            if state.fetched >= end:
                state.caught_up = now

    def get_current(self) -> Block:
        """Returns the text of the message."""
        message = self._current
        source = f"{self._topic.topic}/{message.partition}"
        return block_of(source, message.offset, message.value, self._encoding)

    def get_current_timestamp(self) -> Timestamp:
        """Returns the timestamp of the message, or the current time if it has none."""
        return Timestamp(micros=round(self._seconds * 1000) * 1000)

    def get_watermark(self) -> Timestamp:
        """Returns the time up to which all partitions are complete."""
        complete = min(state.complete_until for state in self._states.values())
        if complete == float("inf"):
            return MAX_TIMESTAMP
        complete -= self._topic.delay
        return MIN_TIMESTAMP if complete == float("-inf") else Timestamp(complete)

    def get_checkpoint_mark(self) -> KafkaMark:
        """Returns the offsets up to which the partitions have been read."""
        offsets = tuple((each, state.next_offset) for each, state in self._states.items())
        commits = self._source.commits and self._topic.group is not None
        return KafkaMark(self._topic, offsets, commits)

    def close(self) -> None:
        """Ends the connection."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            for state in self._states.values():
                state.progress.end()


@dataclass
class ReadKafka(ReadMessages):
    """Reads the messages of a topic, each as a `Block` with the timestamp of the message.

    Attributes:
      topic: a `KafkaTopic`, or its URL.
      window, encoding: as in `ReadMessages`.
      commits: whether offsets are committed to the topic's group when the runner has durably stored
        the messages before them. If the runner loses its state and the run is started again,
        messages of windows that were still open are then missing.
      max_splits: the maximum number of splits of the topic. None: one for each partition, at most
        20. On Prism it must be 1: Prism 2.77 uses the watermark of the split that was read last for
        all splits, and drops messages of the others.
      poll_interval: how long to wait if there is no message, in seconds.
      bundle_seconds: the maximum time for which a bundle reads, in seconds; while messages keep
        arriving, windows are published later by up to this time.
      progress_folder: the folder to which readers write their progress; empty for none.

    Raises:
      ValueError: a setting is invalid.
      InputError: when it runs: the topic cannot be read.
    """

    topic: KafkaTopic | str = ""
    commits: bool = False
    max_splits: int | None = None
    poll_interval: float = 0.2
    bundle_seconds: float = 1.0
    progress_folder: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, KafkaTopic, topic=self.topic)
        topic = KafkaTopic.of_url(self.topic) if isinstance(self.topic, str) else self.topic
        self._topic = topic
        if self.max_splits is not None:
            check_positive(max_splits=self.max_splits)
        if self.commits and topic.group is None:
            raise ValueError("commits=True: the topic has no group")

    def expand(self, root: PBegin) -> PCollection[Block]:
        source = KafkaSource(
            self._topic,
            self.encoding,
            self.resilience,
            self.commits,
            self.max_splits,
            self.progress_folder,
        )
        read = (ReadFromUnboundedSource if self.commits else ReadUnfinalized)(
            source,
            poll_interval=self.poll_interval,
            max_read_time_seconds=self.bundle_seconds,
        )
        return self.in_windows(root | "ReadMessages" >> read)
