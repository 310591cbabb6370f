"""A Pub/Sub server: Google's own for tests, in a process on the loopback interface.

Where it is missing, a test that asks for it is skipped; in CI it fails.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.support.cli import ROOT
from tests.support.programs import missing
from tests.support.worker_pool import free_port

PROGRAM = ROOT / "resources" / "streams" / "target" / "pubsub"
_TOPIC = "projects/my-project/topics/lines"
#: The subscription that there is.
SUBSCRIPTION = "projects/my-project/subscriptions/lines"


class Server:
    """A server with one topic and one subscription.

    Args:
      address: HOST:PORT of the server.
    """

    def __init__(self, address: str):
        self.environment = {"PUBSUB_EMULATOR_HOST": address}

    def prepare(self) -> None:
        from google.cloud import pubsub_v1

        with self._here():
            pubsub_v1.PublisherClient().create_topic(name=_TOPIC)
            pubsub_v1.SubscriberClient().create_subscription(name=SUBSCRIPTION, topic=_TOPIC)

    def publish(self, messages: Sequence[bytes], **attributes: str) -> None:
        from google.cloud import pubsub_v1

        with self._here():
            publisher = pubsub_v1.PublisherClient()
            for sent in [publisher.publish(_TOPIC, each, **attributes) for each in messages]:
                sent.result()

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        """The client finds the server by its environment inside the ``with`` block."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server serves inside the ``with`` block."""
    if not PROGRAM.exists():
        missing("Pub/Sub: go -C resources/streams/pubsub build -o ../target/pubsub .")
    try:
        import google.cloud.pubsub_v1 as client
    except ImportError:
        missing("the extra gcp: pip install -e '.[gcp]'")
    assert client
    port = free_port()
    command: list[Any] = [PROGRAM, "-port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # which it prints when it serves
        server = Server(f"127.0.0.1:{port}")
        server.prepare()
        yield server
    finally:
        process.kill()
        process.communicate()
