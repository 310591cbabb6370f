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
import functools
import importlib.util
import re
import threading
import time
import urllib.parse
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
from beam_pipeline.monitor.stream_progress import PartitionProgress
from transforms.checks import check_positive, check_type
from transforms.errors import InputError
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import Stage
from transforms.text.blocks import Block
from transforms.text.encoding import Encoding

SCHEME = "kafka"
#: The extra of this package that has the client.
EXTRA = "kafka"
STARTS = ("earliest", "latest")
#: By how much the timestamps of one partition may be out of order by default, in seconds.
DELAY = 5.0
# As Kafka has them.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#\[\]@]+):[0-9]{1,5}")
# How long to wait for messages, in milliseconds: a reader should not block.
_POLL_MS = 50
# How long a server may take to answer for the first time, in milliseconds.
_BOOTSTRAP_MS = 10_000
_MAX_POLL_RECORDS = 2000
# How often the broker is asked whether there are more messages, in seconds.
_ASK_INTERVAL = 0.5
# Settings of the client that are ours.
_OWN = ("bootstrap_servers", "group_id", "enable_auto_commit", "auto_offset_reset")


@dataclass(frozen=True)
class KafkaTopic:
    """A topic of Kafka, and what of it is read.

    Attributes:
      servers: of the cluster, one at least, as ``HOST:PORT``.
      topic: its name.
      group: the consumer group to which offsets are committed; without a `since` and where it has
        any, reading begins at them. None: no group.
      start: where reading begins otherwise: ``earliest`` or ``latest``.
      until_now: reads the messages that there are when reading begins, and ends.
      delay: by how much the timestamps of a partition may be out of order, in seconds.
      config: more settings of kafka-python's `KafkaConsumer`, such as ``security_protocol``.
      since: reading begins at the first message of this time, in seconds since the epoch, or later;
        None: see `start`.
    """

    servers: tuple[str, ...]
    topic: str
    group: str | None = None
    start: str = "earliest"
    until_now: bool = False
    delay: float = DELAY
    config: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    since: float | None = None

    def __post_init__(self) -> None:
        if not self.servers or not all(map(_SERVER.fullmatch, self.servers)):
            raise ValueError(f"servers={','.join(self.servers)!r}: must be HOST:PORT")
        if not _TOPIC.fullmatch(self.topic):
            raise ValueError(f"topic={self.topic!r}: must be of letters, digits, '.', '_' and '-'")
        if self.start not in STARTS:
            raise ValueError(f"start={self.start!r}: must be one of {STARTS}")
        if not 0 <= self.delay < float("inf"):
            raise ValueError(f"delay={self.delay!r}: must be 0 or more, in seconds")
        if own := [name for name in _OWN if name in self.config]:
            raise ValueError(f"config: {own[0]} is set by other settings")

    @classmethod
    def of_url(cls, url: str) -> "KafkaTopic":
        """Returns what a URL says: ``kafka://HOST:PORT[,HOST:PORT]/TOPIC[?NAME=VALUE[&...]]``.

        The names are ``group``, ``start``, ``until`` (``now``), ``delay`` and ``config``, the path
        of a file with a line ``NAME=VALUE`` for each further setting of the client.

        Raises:
          ValueError: the URL says something else.
          OSError: the file of settings cannot be read.

        Example:
          >>> KafkaTopic.of_url("kafka://localhost:9092/lines?group=g&until=now")
          KafkaTopic(servers=('localhost:9092',), topic='lines', group='g', start='earliest', \
until_now=True, delay=5.0, since=None)
        """
        scheme, _, rest = url.partition("://")
        if scheme.lower() != SCHEME:
            raise ValueError(f"is not {SCHEME}://HOST:PORT/TOPIC")
        place, _, query = rest.partition("?")
        servers, _, topic = place.partition("/")
        given: dict[str, str] = {}
        for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
            if name in given or name not in ("group", "start", "until", "delay", "config"):
                problem = "is given twice" if name in given else "is not group, start, until, "
                problem += "" if name in given else "delay or config"
                raise ValueError(f"{name}: {problem}")
            if not value:
                raise ValueError(f"{name}: has no value")
            given[name] = value
        if given.get("until", "now") != "now":
            raise ValueError("until: must be now")
        try:
            delay = float(given.get("delay", DELAY))
        except ValueError:
            raise ValueError("delay: must be a number of seconds") from None
        return cls(
            tuple(servers.split(",")),
            topic.rstrip("/"),
            given.get("group"),
            given.get("start", "earliest"),
            "until" in given,
            delay,
            _read_config(given["config"]) if "config" in given else {},
        )

    @property
    def name(self) -> str:
        """The topic as messages call it: its URL, without settings."""
        return f"{SCHEME}://{','.join(self.servers)}/{self.topic}"


def _read_config(path: str) -> dict[str, Any]:
    config: dict[str, Any] = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            name, equals, value = (part.strip() for part in line.partition("="))
            if not equals:
                raise ValueError(f"config: {path}: line {number} is not NAME=VALUE")
            # The names of Java's client, with dots, are those of Python's, with underscores.
            config[name.replace(".", "_")] = value
    return config


def why_missing() -> str | None:
    """Returns why there is no client, and how to get it; None if there is one."""
    if importlib.util.find_spec("kafka") is not None:
        return None
    return f"needs more packages: pip install 'beam-anagrams[{EXTRA}]'"


class Partitions:
    """Asks a cluster about the partitions of a topic.

    Args:
      topic: of which.
      resilience: how often to try.

    Raises:
      InputError: the cluster cannot be reached, or a setting of the client is wrong.
    """

    def __init__(self, topic: KafkaTopic, resilience: Resilience | None = None):
        self._topic = topic
        self._retrier = Retrier("read", (resilience or Resilience()).without_chaos())
        self._consumer = self._retried(functools.partial(_consumer, topic))

    def close(self) -> None:
        """Ends the connections."""
        self._consumer.close()

    def numbers(self) -> list[int]:
        """Returns the numbers of the partitions, in order.

        Raises:
          InputError: there is no such topic.
        """
        found = self._retried(self._consumer.partitions_for_topic, self._topic.topic)
        if not found:
            raise InputError(f"{self._topic.name}: no such topic")
        return sorted(found)

    def starts(self, numbers: Iterable[int]) -> dict[int, int]:
        """Returns the offset at which reading of each partition begins."""
        partitions = [self._partition(number) for number in numbers]
        earliest = self._retried(self._consumer.beginning_offsets, partitions)
        latest = self._retried(self._consumer.end_offsets, partitions)
        otherwise = earliest if self._topic.start == "earliest" else latest
        starts = dict(otherwise)
        if self._topic.since is not None:
            found = self.first_since(numbers, self._topic.since)
            starts = {each: found[each.partition] for each in partitions}
        elif self._topic.group is not None:
            for each in partitions:
                committed = self._retried(self._consumer.committed, each)
                if committed is not None:
                    starts[each] = committed
        return {
            each.partition: min(max(starts[each], earliest[each]), latest[each])
            for each in partitions
        }

    def first_since(self, numbers: Iterable[int], since: float) -> dict[int, int]:
        """Returns the offset of the first message of a time or later, in each partition.

        All messages of that time or later have this offset or a greater one. Where there is none
        yet, it is the offset of the next message.
        """
        partitions = [self._partition(number) for number in numbers]
        latest = self._retried(self._consumer.end_offsets, partitions)
        milliseconds = dict.fromkeys(partitions, max(int(since * 1000), 0))
        found = self._retried(self._consumer.offsets_for_times, milliseconds)
        return {
            each.partition: latest[each] if found.get(each) is None else found[each].offset
            for each in partitions
        }

    def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        """Returns the offset of the next message of each partition that is not there yet."""
        partitions = [self._partition(number) for number in numbers]
        latest = self._retried(self._consumer.end_offsets, partitions)
        return {each.partition: latest[each] for each in partitions}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commits the offset of the next message of each partition to the consumer group."""
        from kafka import OffsetAndMetadata

        self._retried(
            self._consumer.commit,
            {
                self._partition(number): OffsetAndMetadata(offset, "", -1)
                for number, offset in offsets.items()
            },
        )

    def _partition(self, number: int) -> Any:
        from kafka import TopicPartition

        return TopicPartition(self._topic.topic, number)

    def _retried(self, work: Any, *args: Any) -> Any:
        return _retried(self._retrier, self._topic, work, *args)


def _retried(retrier: Retrier, topic: KafkaTopic, work: Any, *args: Any) -> Any:
    try:
        return retrier(work, *args)
    except RetriesExhaustedError as error:
        raise InputError(f"{topic.name}: {error}") from error


def _consumer(topic: KafkaTopic) -> Any:
    try:
        from kafka import KafkaConsumer
        from kafka.errors import KafkaConfigurationError
    except ImportError as error:
        raise InputError(f"{topic.name}: {why_missing()}") from error
    settings = {
        # What is removed by the broker, or in a transaction that is aborted, is not read.
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "bootstrap_timeout_ms": _BOOTSTRAP_MS,
        "max_poll_records": _MAX_POLL_RECORDS,
        **topic.config,
    }
    try:
        return KafkaConsumer(
            bootstrap_servers=list(topic.servers),
            group_id=topic.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            **settings,
        )
    except (KafkaConfigurationError, AssertionError, TypeError, ValueError) as error:
        raise InputError(f"{topic.name}: {error}") from error


@dataclass(frozen=True)
class KafkaMark(CheckpointMark):
    """How far a topic, or a part of it, has been read.

    Attributes:
      topic: which one.
      offsets: partitions, and the offset of the next message of each.
      is_committed: whether the offsets are committed to the consumer group when the runner has made
        what was read before durable.
    """

    topic: KafkaTopic
    offsets: tuple[tuple[int, int], ...]
    is_committed: bool = False

    def finalize_checkpoint(self) -> None:
        if self.is_committed:
            _COMMITTED.commit(self)


class _Committed:
    """The offsets that this process has committed, so that none is committed twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._partitions: dict[KafkaTopic, Partitions] = {}
        self._offsets: dict[tuple[KafkaTopic, int], int] = {}

    def commit(self, mark: KafkaMark) -> None:
        with self._lock:
            new = {
                partition: offset
                for partition, offset in mark.offsets
                if self._offsets.get((mark.topic, partition), -1) < offset
            }
            if new:
                self._connected(mark.topic).commit(new)
                self._offsets.update(
                    {(mark.topic, partition): offset for partition, offset in new.items()}
                )

    def commit_since(self, topic: KafkaTopic, since: float) -> None:
        with self._lock:
            partitions = self._connected(topic)
            partitions.commit(partitions.first_since(partitions.numbers(), since))

    def _connected(self, topic: KafkaTopic) -> Partitions:
        if topic not in self._partitions:
            self._partitions[topic] = Partitions(topic)
        return self._partitions[topic]


_COMMITTED = _Committed()


@dataclass(frozen=True)
class CommitPublished:
    """Commits to the group of a topic what has been published, for Kafka's own tools to show.

    Other than offsets that are committed when they have been read, these lose nothing when another
    run begins at them. That Kafka cannot be told is no error: nothing depends on it.

    Attributes:
      topic: which one.
      reach: how long before a time messages may be that are still wanted, in seconds.
    """

    topic: KafkaTopic
    reach: float = 0.0

    def __call__(self, until: float) -> None:
        with contextlib.suppress(InputError):
            _COMMITTED.commit_since(self.topic, until - self.reach)


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
        return _retried(self._retrier, self._topic, work, *args)

    def _connect(self) -> None:
        self.close()
        self._consumer = _consumer(replace(self._topic, group=None))
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
