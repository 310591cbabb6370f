"""Streams: messages of Kafka and Pub/Sub, and files that are added to folders."""

#: The schemes of URLs that are streams.
SCHEMES = ("kafka", "pubsub")


def scheme_of(url: str) -> str:
    """Returns the scheme of a stream's URL, one of `SCHEMES`; empty if it is not a stream.

    Example:
      >>> scheme_of("Kafka://localhost:9092/lines"), scheme_of("kafka.txt")
      ('kafka', '')
    """
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator and scheme.lower() in SCHEMES else ""


def is_stream(url: str) -> bool:
    """Returns whether an input is a stream of messages, by its scheme."""
    return bool(scheme_of(url))
