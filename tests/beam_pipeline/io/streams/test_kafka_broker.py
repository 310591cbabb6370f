"""Messages of a real broker are read each once, in windows that end."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, cast

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows
from apache_beam.utils.timestamp import MAX_TIMESTAMP

from beam_pipeline.io.streams.kafka import KafkaReader, KafkaSource, ReadKafka
from beam_pipeline.io.streams.kafka_offsets import CommitPublished
from beam_pipeline.io.streams.kafka_partitions import Partitions
from beam_pipeline.io.streams.kafka_topic import KafkaTopic
from tests.support.beam import pipeline
from tests.support.cli import GIVE_UP
from tests.support.kafka import Broker, serving
from transforms.errors import InputError
from transforms.stages.retry import Resilience
from transforms.text.blocks import Block

pytestmark = pytest.mark.cluster

NOW = float(int(time.time()))


@pytest.fixture
def topic(broker: Broker) -> str:
    """A new topic with four partitions."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    broker.make_topic(name, 4)
    return name


def reader_of(broker: Broker, topic: str, query: str = "", mark: Any = None) -> KafkaReader:
    """Reads all partitions together."""
    source = KafkaSource(KafkaTopic.of_url(broker.url(topic, query)), max_splits=1)
    (whole,) = source.split(20)
    return cast(KafkaSource, whole).create_reader(None, mark)


def read(reader: KafkaReader, number: int) -> list[Block]:
    """Starts a reader, and returns so many messages, for which it waits."""
    return advanced(reader, number, has_any=reader.start())


def advanced(reader: KafkaReader, number: int, *, has_any: bool = False) -> list[Block]:
    """Returns so many more messages."""
    blocks: list[Block] = []
    deadline = time.monotonic() + GIVE_UP
    while len(blocks) < number:
        if has_any:
            blocks.append(reader.get_current())
        assert time.monotonic() < deadline
        if len(blocks) < number:
            has_any = reader.advance()
    return blocks


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GIVE_UP
    while not condition():
        assert time.monotonic() < deadline


def test_all_messages_are_read_up_to_now(broker: Broker, topic: str) -> None:
    # One in three partitions; one of them says that others are outdated, and has no text.
    broker.send(topic, [b"cat", b"\xff act", b"", b"tac", None, b"sat"], 3)
    read = ReadKafka(broker.url(topic, "until=now"), window=beam.WindowInto(FixedWindows(60)))
    with pipeline() as p:
        assert_that(
            p | read,
            equal_to(
                [
                    Block(f"{topic}/0", 0, b"cat"),
                    Block(f"{topic}/1", 0, b"\xff act"),
                    Block(f"{topic}/2", 0, b""),
                    Block(f"{topic}/0", 1, b"tac"),
                    Block(f"{topic}/2", 1, b"sat"),
                ]
            ),
        )


def test_messages_that_come_after_now_are_not_read(broker: Broker, topic: str) -> None:
    broker.send(topic, [b"one"], 1)
    reader = reader_of(broker, topic, "until=now")
    broker.send(topic, [b"two", b"three"], 1)
    assert [block.data for block in read(reader, 1)] == [b"one"]
    wait_until(lambda: not reader.advance() and reader.get_watermark() == MAX_TIMESTAMP)
    reader.close()


def test_an_empty_partition_does_not_hold_the_watermark(broker: Broker, topic: str) -> None:
    began = time.time()
    broker.send(topic, [b"cat", b"act"], 2)
    reader = reader_of(broker, topic, "delay=0.5")
    read(reader, 2)

    def has_passed() -> bool:
        assert not reader.advance()
        assert float(reader.get_watermark()) <= time.time() - 0.5
        return float(reader.get_watermark()) > began

    wait_until(has_passed)
    reader.close()


def test_the_watermark_waits_for_the_last_partition(broker: Broker, topic: str) -> None:
    times = [NOW - 100, NOW - 50, NOW - 10, NOW - 5]
    broker.send(topic, [b"a", b"b", b"c", b"d"], 4, times=times)
    reader = reader_of(broker, topic, "delay=0")
    seen = []
    for number in range(4):
        (advanced if number else read)(reader, 1)
        seen.append((float(reader.get_current_timestamp()), float(reader.get_watermark())))
    assert sorted(moment for moment, _ in seen) == times
    for number, (_, watermark) in enumerate(seen[:-1]):
        assert watermark <= min(moment for moment, _ in seen[number + 1 :])
    reader.close()


def test_reading_goes_on_at_a_mark(broker: Broker, topic: str) -> None:
    broker.send(topic, [b"%d" % number for number in range(40)], 4)
    reader = reader_of(broker, topic)
    first = [block.data for block in read(reader, 10)]
    mark = reader.get_checkpoint_mark()
    reader.close()
    coder = KafkaSource(KafkaTopic.of_url(broker.url(topic))).get_checkpoint_mark_coder()
    resumed = reader_of(broker, topic, mark=coder.decode(coder.encode(mark)))
    rest = [block.data for block in read(resumed, 30)]
    assert sorted(map(int, [*first, *rest])) == list(range(40))
    resumed.close()


def test_partitions_that_are_added_are_read(broker: Broker, topic: str) -> None:
    broker.send(topic, [b"first"] * 4, 4)
    reader = reader_of(broker, topic, "delay=0")
    read(reader, 4)
    broker.add_partitions(topic, 6)
    broker.send(topic, [b"%d" % number for number in range(6)], 6)
    more = advanced(reader, 6)
    assert {(block.source, block.data) for block in more} == {
        (f"{topic}/{number}", b"%d" % number) for number in range(6)
    }
    mark = reader.get_checkpoint_mark()
    assert dict(mark.offsets) == {0: 2, 1: 2, 2: 2, 3: 2, 4: 1, 5: 1}
    source = KafkaSource(KafkaTopic.of_url(broker.url(topic)), max_splits=1)
    (whole,) = cast(list[KafkaSource], source.split(20))
    reader.close()
    broker.send(topic, [b"last"] * 6, 6)
    resumed = whole.create_reader(None, mark)
    assert [block.data for block in read(resumed, 6)] == [b"last"] * 6
    resumed.close()


def test_offsets_are_committed_when_a_mark_is_finalized(broker: Broker, topic: str) -> None:
    broker.send(topic, [b"cat"] * 10, 2)
    source = KafkaSource(
        KafkaTopic.of_url(broker.url(topic, "group=g1")), commits=True, max_splits=1
    )
    (whole,) = source.split(20)
    reader = cast(KafkaSource, whole).create_reader(None, None)
    read(reader, 10)
    mark = reader.get_checkpoint_mark()
    reader.close()
    assert broker.committed(topic, "g1", 4) == [None] * 4
    mark.finalize_checkpoint()
    assert broker.committed(topic, "g1", 4) == [5, 5, 0, 0]
    mark.finalize_checkpoint()
    broker.send(topic, [b"dog"] * 2, 2)
    # A group goes on where it was, also of another program.
    following = reader_of(broker, topic, "group=g1")
    assert [block.data for block in read(following, 2)] == [b"dog"] * 2
    following.close()


def test_what_is_published_is_committed(broker: Broker, topic: str) -> None:
    broker.send(topic, [b"x"] * 12, 2, times=[NOW - 60 + number for number in range(12)])
    kafka = KafkaTopic.of_url(broker.url(topic, "group=g2"))
    CommitPublished(kafka, reach=2.0)(NOW - 54)
    # The first messages of NOW - 56 and later.
    assert broker.committed(topic, "g2", 4) == [2, 2, 0, 0]


def test_reading_begins_where_it_is_told_to(broker: Broker, topic: str) -> None:
    # Out of order: all messages of a time or later are behind the first of them.
    offsets = [0, 50, 10, 60, 20]
    broker.send(topic, [b"x"] * 5, 1, times=[NOW - 100 + offset for offset in offsets])

    def starts(query: str = "", since: float | None = None) -> dict[int, int]:
        given = KafkaTopic.of_url(broker.url(topic, query))
        partitions = Partitions(KafkaTopic(given.servers, topic, start=given.start, since=since))
        try:
            return partitions.starts([0, 1])
        finally:
            partitions.close()

    assert starts() == {0: 0, 1: 0}
    assert starts("start=latest") == {0: 5, 1: 0}
    assert starts(since=NOW - 95) == {0: 1, 1: 0}
    assert starts(since=NOW - 45) == {0: 3, 1: 0}
    assert starts(since=NOW) == {0: 5, 1: 0}


def test_a_topic_that_is_not_there_is_an_error(broker: Broker) -> None:
    source = KafkaSource(KafkaTopic.of_url(broker.url("nothing")))
    with pytest.raises(InputError, match="nothing: no such topic"):
        source.split(20)
    with pytest.raises(InputError, match="nothing: no such topic"):
        source.create_reader(None, None)  # Beam calls it when splitting has failed


def test_nobody_who_answers_is_an_error() -> None:
    with pytest.raises(InputError, match=r"kafka://127\.0\.0\.1:1/t"):
        Partitions(KafkaTopic.of_url("kafka://127.0.0.1:1/t"), Resilience(max_attempts=1))


def test_nothing_is_lost_when_a_broker_is_killed_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serving(tmp_path_factory.mktemp("killed")) as broker:
        broker.make_topic("t", 2)
        broker.send("t", [b"%d" % number for number in range(20)], 2)
        reader = reader_of(broker, "t")
        first = [block.data for block in read(reader, 20)]
        broker.kill()
        back = threading.Thread(target=broker.start)
        back.start()
        while back.is_alive():
            assert not reader.advance()
        broker.send("t", [b"%d" % number for number in range(20, 40)], 2)
        more = [block.data for block in advanced(reader, 20)]
        assert sorted(map(int, [*first, *more])) == list(range(40))
        reader.close()
