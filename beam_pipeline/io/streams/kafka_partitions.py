"""Requests to a Kafka cluster about the partitions of a topic."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from beam_pipeline.io.streams.kafka_topic import KafkaTopic, why_missing
from transforms.errors import InputError
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError

# The timeout of the first request to a server, in milliseconds.
_BOOTSTRAP_MS = 10_000
_MAX_POLL_RECORDS = 2000
# The minimum interval of requests for new partitions, in milliseconds.
_METADATA_MS = 1000


class Partitions:
    """A connection to a cluster for requests about the partitions of a topic.

    Args:
      topic: the topic.
      resilience: how many times requests are tried.

    Raises:
      InputError: the cluster cannot be reached, or a setting of the client is wrong.
    """

    def __init__(self, topic: KafkaTopic, resilience: Resilience | None = None):
        self._topic = topic
        self._retrier = Retrier("read", (resilience or Resilience()).without_chaos())
        self._consumer = self._retried(functools.partial(connected_consumer, topic))

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
        """Returns the offset of the first message with this timestamp or a later one, by partition.

        All messages of that time or later have this offset or a greater one. If there is no such
        message yet, it is the offset of the next message.
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
        """Returns the end offset of each partition, that of the next message to be sent."""
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
        return retried(self._retrier, self._topic, work, *args)


def retried(retrier: Retrier, topic: KafkaTopic, work: Any, *args: Any) -> Any:
    try:
        return retrier(work, *args)
    except RetriesExhaustedError as error:
        raise InputError(f"{topic.name}: {error}") from error


def connected_consumer(topic: KafkaTopic) -> Any:
    try:
        from kafka import KafkaConsumer
        from kafka.errors import KafkaConfigurationError
    except ImportError as error:
        raise InputError(f"{topic.name}: {why_missing()}") from error
    settings = {
        # Messages of aborted transactions are not read.
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "bootstrap_timeout_ms": _BOOTSTRAP_MS,
        "max_poll_records": _MAX_POLL_RECORDS,
        # A new partition must be known before its messages are late.
        "metadata_max_age_ms": max(round(topic.delay * 500), _METADATA_MS),
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
