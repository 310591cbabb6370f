"""How far a topic has been read or published, and how Kafka is told."""

import contextlib
import threading
from dataclasses import dataclass

from apache_beam.io.unbounded_source import CheckpointMark

from beam_pipeline.io.streams.kafka_partitions import Partitions
from beam_pipeline.io.streams.kafka_topic import KafkaTopic
from transforms.errors import InputError


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
