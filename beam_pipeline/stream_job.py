"""Runs one job over a stream, as its options say: a file for each window that is complete."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PortableOptions
from rich.filesize import decimal

from beam_pipeline import interruption
from beam_pipeline.errors import OutputError, UsageError
from beam_pipeline.io.locks import only_writer
from beam_pipeline.io.naming import new_token
from beam_pipeline.io.publishing import folder_of_windows
from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.streams import is_stream, scheme_of
from beam_pipeline.io.streams.state import (
    DropPublished,
    RecordComplete,
    StreamState,
    published_windows,
)
from beam_pipeline.io.streams.windowing import Windowing
from beam_pipeline.job import (
    counting_settings,
    load_dictionary,
    new_pipeline,
    only_run,
    scratch_folder,
    stage_settings,
    text_settings,
)
from beam_pipeline.monitor.progress_line import ProgressLine
from beam_pipeline.monitor.stream_progress import StreamSnapshot, read_stream_snapshot
from beam_pipeline.options import SETTINGS_OF_DEAD_LETTERS, AnagramOptions
from beam_pipeline.pages.text import counted
from beam_pipeline.pipeline import build
from beam_pipeline.runners.names import (
    describe_runner,
    is_in_process,
    threads_for,
)
from beam_pipeline.runners.run import run_to_end
from transforms.dictionary import DictionarySpec
from transforms.errors import InputError
from transforms.files.schemes import is_local, local_path
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs

_LOCK = ".stream.lock"
# How often progress is shown, in seconds.
_INTERVAL = 0.5
# How long a runner's job server may stay connected, in seconds; by default, it is five minutes.
_YEARS = 10 * 366 * 24 * 3600
# The settings on which the content of a window depends, besides those that dead letters record.
_SETTINGS = ("input", "watch", "window", "allowed_lateness", "output_format", "sort")


@dataclass(frozen=True)
class StreamOutcome:
    """What there is to say of a run over a stream that has ended.

    Attributes:
      runner: that has run it.
      seconds: that it took.
      output: the folder of its windows.
      windows: how many files the run has added to it.
      progress: what was read.
    """

    runner: str
    seconds: float
    output: str
    windows: int
    progress: StreamSnapshot


def run_stream(options: AnagramOptions, began: float | None = None) -> StreamOutcome:
    """Runs the job until its stream ends, which most never do, or it is interrupted.

    Args:
      options: complete ones, see `beam_pipeline.cli.completion`.
      began: when the run began, in seconds since the epoch; by default now.

    Raises:
      AnagramError: one line for the user; windows that were complete before stay.
      KeyboardInterrupt: the same holds.
    """
    began = time.time() if began is None else began
    with interruption.scope() as stack:
        stack.enter_context(only_run())
        scratch = stack.enter_context(scratch_folder())
        if not is_in_process(options):
            from beam_pipeline.runners.prepare import prepare  # takes a while to load

            prepare(options, scratch)
        output = options.output
        stack.enter_context(_folder(output))
        job = _StreamJob(options, scratch)
        pipeline = job.pipeline()
        options.view_as(PortableOptions).job_server_timeout = _YEARS
        for folder in filter(None, (output, options.dead_letters)):
            stack.enter_context(folder_of_windows(folder, job.token))
        job.begin()
        before = published_windows(output)
        progress = stack.enter_context(_shown_progress(options, job.progress_folder, len(before)))
        interruption.set_outcome(f"the windows that were complete are in {output}; {job.next_run}")
        run_to_end(pipeline, options)
        if job.has_end:
            job.end()
        progress.close()
        return StreamOutcome(
            describe_runner(options),
            time.time() - began,
            output,
            len(published_windows(output)) - len(before),
            read_stream_snapshot(job.progress_folder),
        )


@contextlib.contextmanager
def _folder(output: str) -> Iterator[None]:
    """The folder of windows is there and nobody else's inside the ``with`` block.

    Raises:
      OutputError: it cannot be made, or another run writes there.
    """
    if not is_local(output):
        yield
        return
    try:
        os.makedirs(output, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error
    with only_writer(output, os.path.join(output, _LOCK)):
        yield


class _StreamJob:
    """Builds the pipeline that the options describe.

    Args:
      options: of the run.
      scratch: a folder that lasts as long as the run.

    Attributes:
      token: names the temporary files of the run.
      progress_folder: where readers publish how far they are.
      has_end: whether the stream is read up to where it is now.
      next_run: what another run with the same options will do.

    Raises:
      UsageError: the dictionary cannot be read, or the folder has windows of other settings.
      OutputError: the folder cannot be read.
    """

    def __init__(self, options: AnagramOptions, scratch: str):
        self._options, self._output = options, options.output
        self.token = new_token()
        self.progress_folder = os.path.join(scratch, "progress")
        os.mkdir(self.progress_folder)
        self._windowing = Windowing.parse(options.window)
        self._text = text_settings(options)
        self._stage = stage_settings(options, SideOutputs())
        self._dictionary = load_dictionary(options, scratch)
        self._settings = _recorded(options, self._dictionary)
        self._state = self._resumed()
        self._tell: Callable[[float], None] | None = None
        self.has_end = False
        self.next_run = "the same command goes on behind them"

    def pipeline(self) -> beam.Pipeline:
        """Returns the pipeline."""
        options = self._options
        source = self._source()
        pipeline = new_pipeline(options)
        records = build(
            pipeline,
            source,
            dictionary=self._dictionary,
            **counting_settings(options),
            # Records of several panes come each with its own.
            as_columns=not options.allowed_lateness,
            **self._stage,
        )
        published = records | "WriteResults" >> WriteResults(
            self._output,
            options.output_format,
            dead_letters=options.dead_letters or "",
            settings={name: self._settings[name] for name in SETTINGS_OF_DEAD_LETTERS},
            token=self.token,
            threads=threads_for(options),
            sort=options.sort,
            **self._stage,
        )
        _ = published | "RecordComplete" >> RecordComplete(self._output, self._settings, self._tell)
        return pipeline

    def begin(self) -> None:
        """Records of which settings the windows are going to be.

        Raises:
          OutputError: it cannot be written.
        """
        self._state.write(self._output)

    def end(self) -> None:
        """Records that the stream was read to its end, and its last window closed before its time.

        Raises:
          OutputError: it cannot be written.
        """
        state = StreamState.read(self._output) or self._state
        state._replace(is_ended=True).write(self._output)

    def _resumed(self) -> StreamState:
        state = StreamState.read(self._output)
        if state is None:
            return StreamState(self._settings)
        for name, value in self._settings.items():
            if (before := state.settings.get(name)) != value:
                message = f"{self._output} was begun with {before!r}; give another output"
                raise UsageError(message, setting=name, value=value)
        if state.is_ended:
            message = "its stream was read to the end, and its last window closed; give another one"
            raise UsageError(message, setting="output", value=self._output)
        return state

    def _window(self) -> "_EnterWindows":
        published = published_windows(self._output)
        drop = DropPublished(tuple(published), self._state.complete_until)
        lateness = self._options.allowed_lateness or 0
        return _EnterWindows(self._windowing.into(lateness), drop)

    @property
    def _since(self) -> float | None:
        until = self._state.complete_until
        return None if until is None else until - self._windowing.reach

    def _source(self) -> beam.PTransform[Any, Any]:
        options = self._options
        settings = {"window": self._window(), "encoding": options.encoding, **self._stage}
        url = options.input[0]
        if not is_stream(url):
            from beam_pipeline.io.streams.watch import WatchFiles

            return WatchFiles(
                [_absolute(pattern) for pattern in options.input],
                options.watch,
                state_folder=self._output,
                since=self._since,
                text=self._text,
                **settings,
            )
        if scheme_of(url) == "pubsub":
            from beam_pipeline.io.streams.pubsub import ReadPubSub

            # Beam's reader acknowledges messages when it has them.
            self.next_run = "the messages of other windows do not come again"
            return ReadPubSub(url, **settings)
        return self._kafka(url, settings)

    def _kafka(self, url: str, settings: Mapping[str, Any]) -> beam.PTransform[Any, Any]:
        from beam_pipeline.io.streams.kafka import ReadKafka
        from beam_pipeline.io.streams.kafka_offsets import CommitPublished
        from beam_pipeline.io.streams.kafka_partitions import Partitions
        from beam_pipeline.io.streams.kafka_topic import KafkaTopic

        topic = replace(KafkaTopic.of_url(url), since=self._since)
        self.has_end = topic.until_now
        if topic.group is not None:
            self._tell = CommitPublished(topic, self._windowing.reach)
        try:
            partitions = Partitions(topic, Resilience(max_attempts=1))
            with contextlib.closing(partitions):
                partitions.numbers()
        except InputError as error:
            raise UsageError(str(error)) from error
        return ReadKafka(topic, max_splits=1, progress_folder=self.progress_folder, **settings)


@dataclass
class _EnterWindows(beam.PTransform[Any, Any]):
    """Puts elements into windows, and drops those that have been counted.

    Attributes:
      into: puts them into windows.
      drop: drops them.
    """

    into: beam.PTransform[Any, Any]
    drop: DropPublished

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, elements: Any) -> Any:
        return elements | "Into" >> self.into | "DropPublished" >> self.drop


def _recorded(options: AnagramOptions, dictionary: DictionarySpec) -> dict[str, Any]:
    """Returns the settings on which the content of windows depends, as JSON has them."""
    names = (*_SETTINGS, *SETTINGS_OF_DEAD_LETTERS)
    settings = {name: getattr(options, name) for name in names}
    # Where reading begins and ends is not what is read.
    settings["input"] = [
        url.partition("?")[0] if is_stream(url) else _absolute(url) for url in options.input
    ]
    settings["allowed_lateness"] = options.allowed_lateness or 0
    del settings["watch"]
    return settings


def _absolute(pattern: str) -> str:
    path = local_path(pattern)
    if not is_local(path):
        return path
    return os.path.join(os.path.abspath(path), "") if path.endswith("/") else os.path.abspath(path)


@contextlib.contextmanager
def _shown_progress(
    options: AnagramOptions, folder: str, before: int
) -> Iterator[contextlib.ExitStack]:
    """Shows how far the run is, on a terminal, inside the ``with`` block.

    Args:
      options: of the run.
      folder: where its readers publish how far they are.
      before: how many windows there were already.

    Yields:
      What ends that when it is closed.
    """
    with contextlib.ExitStack() as stack:
        if options.progress:
            line = stack.enter_context(ProgressLine(sys.stderr))
            is_over = threading.Event()

            def show() -> None:
                while not is_over.wait(_INTERVAL):
                    windows = len(published_windows(options.output)) - before
                    snapshot = read_stream_snapshot(folder)
                    line.draw(lambda width: line_of(snapshot, windows, width))  # noqa: B023

            thread = threading.Thread(target=show, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(is_over.set)
        yield stack


def line_of(progress: StreamSnapshot, windows: int, width: int) -> str:
    """Returns the line for a snapshot: the most informative one that fits.

    Args:
      progress: how far reading has come.
      windows: how many have been published.
      width: how many columns there are.

    Example:
      >>> line_of(StreamSnapshot(12_000, 480_000, 30, partitions=2), 4, 79)
      'reading 12,000 messages, 480.0 kB, 30 behind; 4 windows published'
      >>> line_of(StreamSnapshot(12_000, 480_000, 30, partitions=2), 4, 40)
      'reading 12,000 messages; 4 windows'
    """
    number = counted(windows, "window")
    if not progress.partitions:  # of files and of Pub/Sub, that is all that is known
        return f"{number} published"[:width]
    messages = counted(progress.messages, "message")
    behind = "" if progress.lag is None else f", {progress.lag:,} behind"
    texts = (
        f"reading {messages}, {decimal(progress.bytes)}{behind}; {number} published",
        f"reading {messages}{behind}; {number}",
        f"reading {messages}; {number}",
    )
    return next((text for text in texts if len(text) <= width), texts[-1][:width])
