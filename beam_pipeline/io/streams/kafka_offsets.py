"""Offsets up to which a topic has been read or published, and their commits to Kafka."""

import threading
from dataclasses import dataclass

from apache_beam.io.unbounded_source import CheckpointMark

from beam_pipeline.io.streams.kafka_partitions import Partitions
from beam_pipeline.io.streams.kafka_topic import KafkaTopic
from transforms.errors import InputError

# After how many seconds a failed commit is tried again.
_PAUSE = 10.0


@dataclass(frozen=True)
class KafkaMark(CheckpointMark):
    """The offsets up to which a topic, or a split of it, has been read.

    Attributes:
      topic: the topic.
      offsets: the partitions, with the offset of the next message of each.
      is_committed: whether the offsets are committed to the consumer group when the runner has
        durably stored the messages before them.
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
        self._since: dict[KafkaTopic, float] = {}

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
        """Commits the offsets of the first messages at a time or later, in seconds since the epoch.

        Until it succeeds, or is called with a later time, a thread tries it again.
        """
        with self._lock:
            self._since[topic] = since
        self._try_since(topic, since)

    def _try_since(self, topic: KafkaTopic, since: float) -> None:
        with self._lock:
            if self._since[topic] != since:
                return
            try:
                partitions = self._connected(topic)
                partitions.commit(partitions.first_since(partitions.numbers(), since))
            except InputError:
                again = threading.Timer(_PAUSE, self._try_since, (topic, since))
                again.daemon = True
                again.start()

    def _connected(self, topic: KafkaTopic) -> Partitions:
        if topic not in self._partitions:
            self._partitions[topic] = Partitions(topic)
        return self._partitions[topic]


_COMMITTED = _Committed()


@dataclass(frozen=True)
class CommitPublished:
    """Commits to the group of a topic the offsets of published messages, for Kafka's own tools.

    Unlike offsets that are committed when messages are read, another run can begin at these without
    losing messages. If a commit fails, that is not an error, because nothing depends on it; it is
    tried again.

    Attributes:
      topic: the topic.
      reach: how many seconds before the end of complete windows open windows may begin.
    """

    topic: KafkaTopic
    reach: float = 0.0

    def __call__(self, until: float) -> None:
        _COMMITTED.commit_since(self.topic, until - self.reach)
