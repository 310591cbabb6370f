"""Checks the options of streams before a run, as far as possible. Changes nothing."""

import importlib.util

from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.version import __version__ as beam_version

from beam_pipeline.errors import UsageError
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.io.streams import is_stream, scheme_of
from beam_pipeline.options import AnagramOptions, is_streaming

# The options that cannot be combined with streams, and why.
_NOT_OF_STREAMS = {
    "merge": "was counted in no window, so it cannot be added to windows",
    "replay": "was read once already; count it without --window",
    "test_case": "is not a stream",
    "text": "is not a stream",
}


def check_stream(options: AnagramOptions) -> None:
    """Checks that options of streams can be combined.

    Raises:
      UsageError: they cannot; the message names the first option at fault.
    """
    if not is_streaming(options):
        for name in ("window", "allowed_lateness"):
            if (value := getattr(options, name)) is not None:
                message = (
                    "files and texts have no event times; give --watch=SECONDS, or a stream as "
                    "the input, such as --input=kafka://HOST:PORT/TOPIC"
                )
                raise UsageError(message, setting=name, value=value)
        if options.view_as(StandardOptions).streaming:
            message = (
                "there is no stream: give --watch=SECONDS, or an input such as "
                "--input=kafka://HOST:PORT/TOPIC"
            )
            raise UsageError(message, setting="streaming")
        return
    for name, reason in _NOT_OF_STREAMS.items():
        if (value := getattr(options, name)) is not None:
            raise UsageError(reason, setting=name, value=value)
    _check_beam(options)
    _check_input(options)
    if options.window is None:
        setting, value = _stream_option(options)
        message = "a stream has no end, and is counted in windows: give one, such as --window=1m"
        raise UsageError(message, setting=setting, value=value)
    if options.output in (None, "-"):
        message = "a stream has a file for each window: give the folder for them, --output=FOLDER"
        raise UsageError(message, setting="output", value=options.output)
    if options.window.startswith("session") and options.allowed_lateness:
        message = "sessions cannot wait for late messages; give another window, or a longer gap"
        raise UsageError(message, setting="allowed_lateness", value=options.allowed_lateness)
    if options.top is not None and options.allowed_lateness:
        message = "is known only after the last late message: give no --allowed_lateness"
        raise UsageError(message, setting="top", value=options.top)
    if options.num_shards > 1:
        message = "each window has one file: give no --num_shards"
        raise UsageError(message, setting="num_shards", value=options.num_shards)


def _check_beam(options: AnagramOptions) -> None:
    """Checks that this version of Beam has the classes that sources of streams need."""
    setting, value = _stream_option(options)
    if importlib.util.find_spec("apache_beam.io.unbounded_source") is None:
        message = f"needs Apache Beam 2.77 or later; this is {beam_version}"
        raise UsageError(message, setting=setting, value=value)


def _stream_option(options: AnagramOptions) -> tuple[str, object]:
    """Returns the option that makes the input a stream, and its value."""
    streams = [url for url in options.input or () if is_stream(url)]
    return ("input", streams[0]) if streams else ("watch", options.watch)


def _check_input(options: AnagramOptions) -> None:
    given = options.input or []
    streams = [url for url in given if is_stream(url)]
    if streams and options.group_by is not None:
        message = f"{streams[0]} has messages, which are in no files; count without --group_by"
        raise UsageError(message, setting="group_by", value=options.group_by)
    if not streams:
        if not given:
            message = "needs files to look for: give --input=PATTERN"
            raise UsageError(message, setting="watch", value=options.watch)
        if STDIN in given:
            raise UsageError("cannot be watched", setting="input", value=STDIN)
        if options.watch < 1:
            raise UsageError("must be 1 second or more", setting="watch", value=options.watch)
        return
    if options.watch is not None:
        message = f"watches files, and {streams[0]} has none"
        raise UsageError(message, setting="watch", value=options.watch)
    if len(given) > 1:
        raise UsageError("must be the only input", setting="input", value=streams[0])
    _check_url(streams[0])


def _check_url(url: str) -> None:
    """Checks the URL of a stream, and that its client is installed."""
    # Imported only here, because no other run needs them.
    from beam_pipeline.io.streams import kafka_topic, pubsub

    is_kafka = scheme_of(url) == kafka_topic.SCHEME
    if (fault := (kafka_topic if is_kafka else pubsub).why_missing()) is not None:
        raise UsageError(fault, setting="input", value=url)
    try:
        if is_kafka:
            kafka_topic.KafkaTopic.of_url(url)
        else:
            pubsub.PubSubPlace.of_url(url)
    except OSError as error:
        message = f"config: {error.filename}: {error.strerror}"
        raise UsageError(message, setting="input", value=url) from error
    except ValueError as error:
        raise UsageError(str(error), setting="input", value=url) from error
