"""What is read of Kafka, as users say it: a URL, or a `KafkaTopic`."""

import importlib.util
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam_pipeline.errors import needs_extra

SCHEME = "kafka"
#: The extra of this package that has the client.
EXTRA = "kafka"
STARTS = ("earliest", "latest")
#: By how much the timestamps of one partition may be out of order by default, in seconds.
DELAY = 5.0
# As Kafka has them.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#\[\]@]+):[0-9]{1,5}")
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
    return needs_extra(EXTRA)
