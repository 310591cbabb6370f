"""Checks the options of streams, as far as that is possible before a run. Changes nothing."""

import importlib.util

from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.version import __version__ as beam_version

from beam_pipeline.errors import UsageError
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.io.streams import is_stream, scheme_of
from beam_pipeline.options import AnagramOptions, is_streaming

# What the result of a stream cannot have, and why.
_NOT_OF_STREAMS = {
    "merge": "was counted in no window, so it cannot be added to windows",
    "replay": "was read once already; count it without a window",
    "test_case": "is no stream",
    "text": "is no stream",
}

# What tells of a run when it has ended.
_OF_WHOLE_RUNS = ("report", "telemetry")


def check_stream(options: AnagramOptions) -> None:
    """Checks that options about streams go together.

    Raises:
      UsageError: naming the first option with a fault.
    """
    if not is_streaming(options):
        for name in ("window", "allowed_lateness"):
            if (value := getattr(options, name)) is not None:
                message = (
                    "files and texts have no event times; needs watch, or a stream as the input, "
                    "such as kafka://HOST:PORT/TOPIC"
                )
                raise UsageError(message, setting=name, value=value)
        if options.view_as(StandardOptions).streaming:
            message = "there is no stream: give watch, or an input such as kafka://HOST:PORT/TOPIC"
            raise UsageError(message, setting="streaming")
        return
    for name, reason in _NOT_OF_STREAMS.items():
        if (value := getattr(options, name)) is not None:
            raise UsageError(reason, setting=name, value=value)
    for name in _OF_WHOLE_RUNS:
        if value := getattr(options, name):
            message = "tells of a whole run, and a stream has no end; each window has its own file"
            raise UsageError(message, setting=name, value=value[0])
    _check_beam(options)
    _check_input(options)
    if options.window is None:
        setting, value = _stream_option(options)
        message = "a stream has no end, and is counted in windows: give window, such as window=1m"
        raise UsageError(message, setting=setting, value=value)
    if options.output in (None, "-"):
        message = "a stream has a file for each window: give the folder for them"
        raise UsageError(message, setting="output", value=options.output)
    if options.window.startswith("session") and options.allowed_lateness:
        message = "sessions cannot wait for late messages; give another window, or a longer gap"
        raise UsageError(message, setting="allowed_lateness", value=options.allowed_lateness)
    if options.top is not None and options.allowed_lateness:
        message = "which words these are is not known before the last late message"
        raise UsageError(message, setting="top", value=options.top)
    if options.num_shards > 1:
        message = "each window has one file"
        raise UsageError(message, setting="num_shards", value=options.num_shards)


def _check_beam(options: AnagramOptions) -> None:
    """Checks that this Beam has what sources of streams are made of, which older ones lack."""
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
    if not streams:
        if not given:
            raise UsageError("needs files to look for", setting="watch", value=options.watch)
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
    """Checks the URL of a stream, and that its client is there."""
    # Imported only here, as no other run needs them.
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
