"""A Kafka broker: the real program, in a process on the loopback interface.

Where it is missing, a test that asks for it is skipped; in CI it fails.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support.cli import GIVE_UP, ROOT
from tests.support.programs import missing
from tests.support.worker_pool import free_port

PROGRAM = ROOT / "resources" / "streams" / "kafka_broker.py"


class Broker:
    """A broker, and what tests do with it, by Kafka's own protocol.

    Args:
      folder: for its messages.
    """

    def __init__(self, folder: Path):
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> str:
        """HOST:PORT of the broker."""
        return f"127.0.0.1:{self.port}"

    def url(self, topic: str, query: str = "") -> str:
        """Returns the URL of a topic."""
        return f"kafka://{self.server}/{topic}{query and '?'}{query}"

    def start(self) -> None:
        command = [sys.executable, str(PROGRAM), f"--port={self.port}", f"--folder={self._folder}"]
        with (self._folder.parent / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + GIVE_UP
        while True:
            try:
                with contextlib.closing(self._admin()) as admin:
                    admin.list_topics()
                return
            except Exception:  # the client raises what it likes
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def kill(self) -> None:
        """Ends the broker at once; what it has acknowledged is there when it is started again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def make_topic(self, topic: str, partitions: int) -> None:
        with contextlib.closing(self._admin()) as admin:
            admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Makes a topic have so many partitions."""
        with contextlib.closing(self._admin()) as admin:
            admin.create_partitions({topic: partitions})

    def send(
        self,
        topic: str,
        messages: Iterable[bytes | None],
        partitions: int,
        *,
        times: Iterable[float] = (),
        rate: float = 0.0,
    ) -> None:
        """Sends messages to the partitions in turn.

        Args:
          times: of the messages, in seconds since the epoch; where there are none, now.
          rate: how many messages to send a second; 0: as fast as possible.
        """
        from kafka import KafkaProducer

        began, given = time.monotonic(), iter(times)
        with contextlib.closing(KafkaProducer(bootstrap_servers=self.server)) as producer:
            for number, message in enumerate(messages):
                if rate and (early := began + number / rate - time.monotonic()) > 0:
                    producer.flush()
                    time.sleep(early)
                moment = round(next(given, time.time()) * 1000)
                producer.send(
                    topic,
                    message,
                    key=b"k",
                    partition=number % partitions,
                    timestamp_ms=moment,
                )
            producer.flush()

    def committed(self, topic: str, group: str, partitions: int) -> list[int | None]:
        """Returns the offset that a group has committed for each partition."""
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(
            bootstrap_servers=self.server, group_id=group, enable_auto_commit=False
        )
        with contextlib.closing(consumer):
            keys = [TopicPartition(topic, partition) for partition in range(partitions)]
            return [consumer.committed(key) for key in keys]

    def _admin(self) -> Any:
        from kafka import KafkaAdminClient

        return KafkaAdminClient(bootstrap_servers=self.server, bootstrap_timeout_ms=2000)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Broker]:
    """A broker serves inside the ``with`` block."""
    try:
        import kafka  # noqa: F401
    except ImportError:
        missing("the extra kafka: pip install -e '.[kafka]'")
    libraries = PROGRAM.parent / "target" / "kafka"
    if not libraries.is_dir() or shutil.which("java") is None:
        missing("Java 17 and Kafka: mvn -B -f resources/streams package")
    broker = Broker(folder / "kafka")
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
