"""Text that never ends: messages of Kafka and Pub/Sub, and folders that files are added to."""

#: The schemes of URLs that are streams.
SCHEMES = ("kafka", "pubsub")


def is_stream(url: str) -> bool:
    """Returns whether an input is a stream of messages, by its scheme.

    Example:
      >>> is_stream("kafka://localhost:9092/lines"), is_stream("kafka.txt")
      (True, False)
    """
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES
