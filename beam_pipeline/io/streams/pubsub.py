"""Reads messages of Google Cloud Pub/Sub as `Block`s, with Beam's own `ReadFromPubSub`."""

import importlib.util
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from beam_pipeline.errors import needs_extra
from beam_pipeline.io.streams.blocks import CountBlocks
from transforms.checks import check_type
from transforms.stages.stage import Stage
from transforms.text.blocks import Block
from transforms.text.encoding import Encoding

SCHEME = "pubsub"
#: The extra of this package that has the client.
EXTRA = "gcp"
# As Google has them.
_PATH = re.compile(
    r"projects/[a-z][-a-z0-9:.]{4,61}[a-z0-9]/(subscriptions|topics)/[A-Za-z][-._~%+A-Za-z0-9]{2,254}"
)


@dataclass(frozen=True)
class PubSubPlace:
    """Where messages come from.

    Attributes:
      path: ``projects/P/subscriptions/S``, or ``projects/P/topics/T``, for which a subscription is
        made that lasts as long as the run.
      timestamp_attribute: the attribute of messages that has the time of the event; None: they have
        the time when they were published.
    """

    path: str
    timestamp_attribute: str | None = None

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise ValueError(
                f"path={self.path!r}: must be projects/PROJECT/subscriptions/NAME or "
                "projects/PROJECT/topics/NAME, with names that Google allows"
            )

    @classmethod
    def of_url(cls, url: str) -> "PubSubPlace":
        """Returns what a URL says: ``pubsub://PATH[?timestamp=ATTRIBUTE]``.

        Raises:
          ValueError: the URL says something else.

        Example:
          >>> PubSubPlace.of_url("pubsub://projects/my-project/topics/lines?timestamp=at")
          PubSubPlace(path='projects/my-project/topics/lines', timestamp_attribute='at')
        """
        scheme, _, rest = url.partition("://")
        path, _, query = rest.partition("?")
        given = urllib.parse.parse_qsl(query, keep_blank_values=True)
        if scheme.lower() != SCHEME or not all(
            name == "timestamp" and value for name, value in given
        ):
            raise ValueError(f"is not {SCHEME}://PATH[?timestamp=ATTRIBUTE]")
        return cls(path, dict(given).get("timestamp"))

    @property
    def is_topic(self) -> bool:
        """Whether it is a topic rather than a subscription."""
        return self.path.split("/")[2] == "topics"


def why_missing() -> str | None:
    """Returns why there is no client, and how to get it; None if there is one."""
    try:
        if importlib.util.find_spec("google.cloud.pubsub_v1") is not None:
            return None
    except ModuleNotFoundError:
        pass
    return needs_extra(EXTRA)


@dataclass
class ReadPubSub(Stage):
    """Reads messages, each as a `Block` with the time when it was published, or of an attribute.

    Attributes:
      place: a `PubSubPlace`, or its URL.
      window: puts the messages into windows, in which they are counted; None leaves them in the
        global one.
      encoding: of the messages. If None, a byte order mark decides for each, or else UTF-8.

    Raises:
      ValueError: a setting is not possible.
    """

    place: PubSubPlace | str = ""
    window: beam.PTransform[Any, Any] | None = None
    encoding: str | None = None
    measures = CountBlocks.measures

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, PubSubPlace, place=self.place)
        self._place = PubSubPlace.of_url(self.place) if isinstance(self.place, str) else self.place
        self._encoding = None if self.encoding is None else Encoding(self.encoding)

    def expand(self, root: PBegin) -> PCollection[Block]:
        from apache_beam.io.gcp.pubsub import ReadFromPubSub  # only here: of an extra

        path = self._place.path
        read = ReadFromPubSub(
            topic=path if self._place.is_topic else None,
            subscription=None if self._place.is_topic else path,
            timestamp_attribute=self._place.timestamp_attribute,
        )
        to_block = beam.Map(_to_block, path, self._encoding).with_output_types(Block)
        blocks = root | "ReadMessages" >> read | "ToBlock" >> to_block
        if self.window is not None:
            blocks |= "Window" >> self.window
        count = CountBlocks(resilience=self.resilience, side_outputs=self.side_outputs)
        counted: PCollection[Block] = blocks | "CountBlocks" >> count
        return counted


def _to_block(data: bytes, path: str, encoding: Encoding | None) -> Block:
    found = Encoding.detect(data[:4]) if encoding is None else encoding.of_stream(data[:4])
    return Block(path, 0, data, found.name)
