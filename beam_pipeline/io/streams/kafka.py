"""Reads messages of a Kafka topic as `Block`s, with Beam's `UnboundedSource` and kafka-python.

A split is one or more partitions, and a checkpoint mark has the offset of the next message of each.
The time of an event is the timestamp of its message.

The watermark of a partition is the greatest timestamp read so far, less `KafkaTopic.delay`, by
which messages may be out of order. A partition of which everything has been read would hold all
windows for ever. Its watermark follows the clock, less the same delay: a message that is still to
come will hardly be older. Whether everything has been read is asked of the broker, so a broker that
does not answer holds the watermark. The watermark of a split is that of its last partition.
"""

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.unbounded_source import (
    CheckpointMark,
    ReadFromUnboundedSource,
    UnboundedReader,
    UnboundedSource,
)
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from beam_pipeline.io.streams.blocks import CountBlocks
from beam_pipeline.io.streams.kafka_offsets import KafkaMark
from beam_pipeline.io.streams.kafka_partitions import Partitions, connected_consumer, retried
from beam_pipeline.io.streams.kafka_topic import KafkaTopic
from beam_pipeline.monitor.stream_progress import PartitionProgress
from transforms.checks import check_positive, check_type
from transforms.errors import InputError
from transforms.stages.retry import Resilience, Retrier, describe
from transforms.stages.stage import Stage
from transforms.text.blocks import Block
from transforms.text.encoding import Encoding

# How long to wait for messages, in milliseconds: a reader should not block.
_POLL_MS = 50
# How often the broker is asked whether there are more messages, in seconds.
_ASK_INTERVAL = 0.5


class PartitionRange(NamedTuple):
    """What is read of a partition.

    Attributes:
      partition: its number.
      first: the offset of the first message.
      end: the offset behind the last message; None if there is no last one.
    """

    partition: int
    first: int
    end: int | None = None


@dataclass(frozen=True)
class KafkaSource(UnboundedSource):
    """A topic, or some of its partitions.

    Attributes:
      topic: which one, and what of it is read.
      encoding: of the messages. If None, a byte order mark decides for each, or else UTF-8.
      resilience: how often a broker is asked.
      commits: whether offsets are committed to the group when the runner finalizes a checkpoint.
      max_splits: into how many parts the topic may be divided; None: one for each partition.
      progress_folder: where readers publish how far they are; see
        `beam_pipeline.monitor.stream_progress`.
      ranges: its partitions; none for the whole topic, which is to be split.
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
        """Returns a source for each partition, unless that would be more than wanted."""
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
        """Returns a reader that begins at a mark, or where the ranges do."""
        if not self.ranges:
            # Beam goes on with the whole if splitting has failed: the error is raised here.
            list(self.split(1))
            raise InputError(f"{self.topic.name}: its partitions could not be listed")
        mark = cast("KafkaMark | None", checkpoint_mark)
        offsets = {} if mark is None else dict(mark.offsets)
        ranges = [
            each._replace(first=offsets.get(each.partition, each.first)) for each in self.ranges
        ]
        return KafkaReader(self, ranges)

    def get_checkpoint_mark_coder(self) -> coders.Coder:
        """Returns the coder of `KafkaMark`s."""
        return coders.PickleCoder()


class _PartitionState:
    """How far one partition has been read.

    Attributes:
      position: the offset of the next message to be returned.
      fetched: the offset behind all messages that have been fetched.
      end: the offset behind the last message; None if there is no last one.
      waiting: how many messages were fetched and have not been returned.
      newest: the greatest timestamp that was returned, at most that of its moment.
      caught_up: when there was nothing more to fetch, for the last time.
      progress: where that is published.
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
        """The offset of the next message to be returned, or of one that is still to come."""
        # Where nothing is waiting, the messages in between have been removed, or were in
        # transactions.
        return self.position if self.waiting else max(self.position, self.fetched)

    @property
    def complete_until(self) -> float:
        """Up to which time all messages have been returned, if none is out of order."""
        if self.has_ended:
            return float("inf")
        return self.newest if self.waiting else max(self.newest, self.caught_up)


class KafkaReader(UnboundedReader):
    """Reads the messages of some partitions, those of each in order.

    Args:
      source: of the partitions.
      ranges: of them.
    """

    def __init__(self, source: KafkaSource, ranges: Iterable[PartitionRange]):
        self._source, self._topic = source, source.topic
        self._encoding = None if source.encoding is None else Encoding(source.encoding)
        self._retrier = Retrier("read", source.resilience)
        self._consumer: Any = None
        self._messages: deque[Any] = deque()
        self._current: Any = None
        self._asked = float("-inf")
        self._states = {
            each.partition: _PartitionState(
                each,
                PartitionProgress(source.progress_folder, f"{self._topic.topic}/{each.partition}"),
            )
            for each in ranges
        }

    def start(self) -> bool:
        """Connects, and returns whether there is a message."""
        self._retried(self._connect)
        return self.advance()

    def _retried(self, work: Any, *args: Any) -> Any:
        return retried(self._retrier, self._topic, work, *args)

    def _connect(self) -> None:
        self.close()
        self._consumer = connected_consumer(replace(self._topic, group=None))
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
            if message.value is None:  # says that messages with this key are outdated
                continue
            self._current = message
            now = time.time()
            self._seconds = message.timestamp / 1000 if message.timestamp >= 0 else now
            # A producer's clock may be wrong; others have messages of now.
            state.newest = max(state.newest, min(self._seconds, now))
            state.progress.add(len(message.value), self._seconds)
            return True
        return False

    def _fetch(self) -> bool:
        """Fetches messages, if there are more; returns whether there are."""
        if all(state.has_ended for state in self._states.values()):
            return False
        polled = self._retried(self._poll)
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

    def _poll(self) -> Mapping[Any, list[Any]]:
        from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

        try:
            polled: Mapping[Any, list[Any]] = self._consumer.poll(timeout_ms=_POLL_MS)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            raise InputError(
                f"{self._topic.name}: messages that were to be read are no longer there: the "
                f"broker has removed them, or the topic was made anew ({describe(error)})"
            ) from error
        return polled

    def _ask(self) -> None:
        """Asks where the partitions end now."""
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
        data = self._current.value
        encoding = self._encoding
        encoding = Encoding.detect(data[:4]) if encoding is None else encoding.of_stream(data[:4])
        source = f"{self._topic.topic}/{self._current.partition}"
        return Block(source, self._current.offset, data, encoding.name)

    def get_current_timestamp(self) -> Timestamp:
        """Returns the timestamp of the message; that of reading it if it has none."""
        return Timestamp(micros=round(self._seconds * 1000) * 1000)

    def get_watermark(self) -> Timestamp:
        """Returns the time up to which all partitions are complete."""
        complete = min(state.complete_until for state in self._states.values())
        if complete == float("inf"):
            return MAX_TIMESTAMP
        complete -= self._topic.delay
        return MIN_TIMESTAMP if complete == float("-inf") else Timestamp(complete)

    def get_checkpoint_mark(self) -> KafkaMark:
        """Returns how far the partitions have been read."""
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
class ReadKafka(Stage):
    """Reads the messages of a topic, each as a `Block` with the time of the message.

    Attributes:
      topic: a `KafkaTopic`, or its URL.
      window: puts the messages into windows, in which they are counted; None leaves them in the
        global one.
      encoding: of the messages. If None, a byte order mark decides for each, or else UTF-8.
      commits: whether offsets are committed to the topic's group when the runner has made durable
        what was read before. A run that is started again by a runner that has lost its state would
        then miss what was in windows that were still open.
      max_splits: into how many parts, read by themselves, the topic may be divided. None: one for
        each partition. Prism 2.77 takes the watermark of the part that was read last for that of
        all, and drops messages of the others; it needs 1.
      poll_interval: how long to wait where there is no message, in seconds.
      bundle_seconds: how long messages are read before they are passed on, at most; as long as
        messages keep coming, windows are counted so much later.
      progress_folder: where readers publish how far they are; empty: nowhere.

    Raises:
      ValueError: a setting is not possible.
      InputError: when it runs: the topic cannot be read.
    """

    topic: KafkaTopic | str = ""
    window: beam.PTransform[Any, Any] | None = None
    encoding: str | None = None
    commits: bool = False
    max_splits: int | None = None
    poll_interval: float = 0.2
    bundle_seconds: float = 1.0
    progress_folder: str = field(default="", compare=False)
    measures = CountBlocks.measures

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, KafkaTopic, topic=self.topic)
        topic = KafkaTopic.of_url(self.topic) if isinstance(self.topic, str) else self.topic
        self._topic = topic
        if self.encoding is not None:
            Encoding(self.encoding)
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
        read = ReadFromUnboundedSource(
            source,
            poll_interval=self.poll_interval,
            max_read_time_seconds=self.bundle_seconds,
        )
        blocks = root | "ReadMessages" >> read
        if self.window is not None:
            blocks |= "Window" >> self.window
        count = CountBlocks(resilience=self.resilience, side_outputs=self.side_outputs)
        return cast(PCollection[Block], blocks | "CountBlocks" >> count)
