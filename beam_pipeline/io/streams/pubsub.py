"""Reads messages of Google Cloud Pub/Sub as `Block`s, with Beam's own `ReadFromPubSub`."""

import re
import urllib.parse
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from beam_pipeline.errors import needs_extra
from beam_pipeline.io.streams.messages import ReadMessages, block_of
from transforms.checks import check_type, is_installed
from transforms.text.blocks import Block
from transforms.text.encoding import Encoding

SCHEME = "pubsub"
#: The extra of this package that has the client.
EXTRA = "gcp"
# Google's rules for names.
_PATH = re.compile(
    r"projects/[a-z][-a-z0-9:.]{4,61}[a-z0-9]/(subscriptions|topics)/[A-Za-z][-._~%+A-Za-z0-9]{2,254}"
)


@dataclass(frozen=True)
class PubSubPlace:
    """The subscription or topic from which messages are read.

    Attributes:
      path: ``projects/P/subscriptions/S``, or ``projects/P/topics/T``, for which a subscription is
        created that is deleted at the end of the run.
      timestamp_attribute: the attribute of messages with their event time; if None, the event time
        is that of publishing.
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
        """Parses a URL: ``pubsub://PATH[?timestamp=ATTRIBUTE]``.

        Raises:
          ValueError: the URL has another form.

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
    return None if is_installed("google.cloud.pubsub_v1") else needs_extra(EXTRA)


@dataclass
class ReadPubSub(ReadMessages):
    """Reads messages, each as a `Block` with the time of publishing, or that of an attribute.

    Attributes:
      place: a `PubSubPlace`, or its URL.
      window, encoding: as in `ReadMessages`.

    Raises:
      ValueError: a setting is invalid.
    """

    place: PubSubPlace | str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(str, PubSubPlace, place=self.place)
        self._place = PubSubPlace.of_url(self.place) if isinstance(self.place, str) else self.place

    def expand(self, root: PBegin) -> PCollection[Block]:
        from apache_beam.io.gcp.pubsub import ReadFromPubSub  # only here: of an extra

        path = self._place.path
        read = ReadFromPubSub(
            topic=path if self._place.is_topic else None,
            subscription=None if self._place.is_topic else path,
            timestamp_attribute=self._place.timestamp_attribute,
        )
        encoding = None if self.encoding is None else Encoding(self.encoding)
        to_block = beam.Map(_to_block, path, encoding).with_output_types(Block)
        return self.in_windows(root | "ReadMessages" >> read | "ToBlock" >> to_block)


def _to_block(data: bytes, path: str, encoding: Encoding | None) -> Block:
    return block_of(path, 0, data, encoding)
