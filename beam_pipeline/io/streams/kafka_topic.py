"""The specification of a Kafka topic as input: a URL, or a `KafkaTopic`."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam_pipeline.errors import needs_extra
from transforms.checks import is_installed

SCHEME = "kafka"
#: The extra of this package that has the client.
EXTRA = "kafka"
STARTS = ("earliest", "latest")
#: The default of `KafkaTopic.delay`, in seconds.
DELAY = 5.0
# Kafka's rule for the names of topics, and addresses of servers.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#\[\]@]+):[0-9]{1,5}")
# Settings of the client that users cannot set.
_OWN = ("bootstrap_servers", "group_id", "enable_auto_commit", "auto_offset_reset")


@dataclass(frozen=True)
class KafkaTopic:
    """A topic of Kafka, and what to read from it.

    Attributes:
      servers: at least one server of the cluster, as ``HOST:PORT``.
      topic: the name of the topic.
      group: the consumer group to which offsets are committed, or None. Without `since`, reading
        begins at its committed offsets, if there are any.
      start: where reading begins otherwise: ``earliest`` or ``latest``.
      until_now: whether to read only the messages that exist when reading begins.
      delay: by how many seconds the timestamps of a partition may be out of order.
      config: further settings of kafka-python's `KafkaConsumer`, such as ``security_protocol``.
      since: reading begins at the first message with this timestamp, in seconds since the epoch, or
        a later one; if None, see `group` and `start`.
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
        """Parses a URL: ``kafka://HOST:PORT[,HOST:PORT]/TOPIC[?NAME=VALUE[&...]]``.

        The names are ``group``, ``start``, ``until`` (``now``), ``delay`` and ``config``, the path
        of a file with a line ``NAME=VALUE`` for each further setting of the client.

        Raises:
          ValueError: the URL has another form.
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
        """The name of the topic in messages: its URL, without settings."""
        return f"{SCHEME}://{','.join(self.servers)}/{self.topic}"


def is_until_now(url: str) -> bool:
    """Returns whether the URL of a topic has ``until=now``.

    Example:
      >>> is_until_now("kafka://localhost:9092/lines?until=now")
      True
    """
    return ("until", "now") in urllib.parse.parse_qsl(url.partition("?")[2])


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
            # kafka-python has the names of the Java client, with underscores instead of dots.
            config[name.replace(".", "_")] = value
    return config


def why_missing() -> str | None:
    """Returns why there is no client, and how to get it; None if there is one."""
    return None if is_installed("kafka") else needs_extra(EXTRA)
