"""Runs one job over a stream, as its options describe it, with a file for each complete window."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions, PortableOptions
from rich.filesize import decimal

from beam_pipeline import interruption
from beam_pipeline.errors import OutputError, UsageError
from beam_pipeline.io.file_groups import ByFile, FileNames, prefix_of
from beam_pipeline.io.locks import only_writer
from beam_pipeline.io.naming import new_token
from beam_pipeline.io.publishing import folder_of_windows
from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.streams import is_stream, scheme_of
from beam_pipeline.io.streams.state import (
    DropPublished,
    RecordComplete,
    StreamState,
    published_files,
    published_windows,
)
from beam_pipeline.io.streams.windowing import Windowing
from beam_pipeline.io.windowed_sinks import measured_in_windows
from beam_pipeline.job import (
    Run,
    counting_settings,
    load_dictionary,
    new_pipeline,
    recorded,
    stage_settings,
    text_settings,
)
from beam_pipeline.monitor.stream_progress import StreamSnapshot, read_stream_snapshot
from beam_pipeline.options import SETTINGS_OF_DEAD_LETTERS, AnagramOptions
from beam_pipeline.pages.text import counted
from beam_pipeline.pipeline import build
from beam_pipeline.report.model import RunReport
from beam_pipeline.runners.names import is_in_process, max_splits_for, runner_name, threads_for
from beam_pipeline.runners.run import run_to_end
from beam_pipeline.standard_streams import print_message
from transforms.dictionary import DictionarySpec
from transforms.errors import InputError
from transforms.files.schemes import is_local, local_path
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count

_LOCK = ".stream.lock"
# Listing the published windows takes at most one part in so many of the time.
_LOOK_SHARE = 20
# The timeout of the connection to a runner's job server, in seconds; Beam's default is 300.
_YEARS = 10 * 366 * 24 * 3600
# Prism must not split a bundle while it is processed: our streams decline that anyway, and Prism
# fails if Beam does not know the size of the first element yet.
_NO_SPLITS = "prism_disable_sdf_split"
# Settings on which the content of a window depends, in addition to those that dead letters record.
_SETTINGS = ("input", "watch", "window", "allowed_lateness", "output_format", "sort")


def run_stream(
    options: AnagramOptions,
    began: float | None = None,
    notify: Callable[[str], None] = print_message,
) -> RunReport:
    """Runs the job until it is interrupted, or until its stream ends, if it is bounded.

    A run that is interrupted or fails also writes its report.

    Args:
      options: complete options, see `beam_pipeline.cli.completion`.
      began: when the run began, in seconds since the epoch; by default now.
      notify: called with messages for the user that are not errors.

    Returns:
      The report.

    Raises:
      AnagramError: its message is for the user. Windows that were complete before stay published.
      KeyboardInterrupt: the run was interrupted; likewise.
    """
    published = _PublishedWindows(options.output)
    execute = functools.partial(_run, published)
    return recorded(options, began, notify, execute, functools.partial(_line, published))


def _run(published: "_PublishedWindows", run: Run) -> None:
    options, scratch, recorder, observers, _, stack = run
    output = options.output
    stack.enter_context(_folder(output))
    log = os.path.join(scratch, "panes") if options.report or options.telemetry else ""
    job = _StreamJob(options, scratch, recorder.progress_folder, log)
    recorder.record_dictionary(job.dictionary)
    if not is_in_process(options):
        from beam_pipeline.runners.flink_streams import end_earlier_job

        end_earlier_job(options)
    pipeline = job.pipeline()
    for folder in filter(None, (output, options.dead_letters)):
        stack.enter_context(folder_of_windows(folder, job.token))
    job.begin()
    published.begin()
    interruption.set_outcome(f"the windows that were complete are in {output}; {job.next_run}")
    stack.callback(lambda: recorder.record_windows(published.number(), log, job.measured))
    recorder.mark_submitted()
    observers.start(job.dictionary)
    recorder.record_result(run_to_end(pipeline, options, run.notify))
    if job.has_end:
        job.end()
    recorder.end_progress()


class _PublishedWindows:
    """The number of windows that a run has published.

    Args:
      folder: the folder of the windows.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self._before: int | None = None
        self._number, self._next_look = 0, 0.0

    def begin(self) -> None:
        """Counts only windows that are added from now on.

        Raises:
          OutputError: the folder cannot be listed.
        """
        self._before = len(published_windows(self._folder))

    def number(self) -> int:
        """Returns the number of windows.

        Raises:
          OutputError: the folder cannot be listed.
        """
        if self._before is not None:
            self._number = len(published_windows(self._folder)) - self._before
        return self._number

    def recent_number(self) -> int:
        """Returns a recent number of windows, because listing a very large folder takes a while."""
        began = time.monotonic()
        if began >= self._next_look:
            with contextlib.suppress(OutputError):
                self.number()
            ended = time.monotonic()
            self._next_look = ended + _LOOK_SHARE * (ended - began)
        return self._number


def _line(published: _PublishedWindows, progress_folder: str, width: int) -> str:
    snapshot = read_stream_snapshot(progress_folder) if progress_folder else StreamSnapshot()
    return line_of(snapshot, published.recent_number(), width)


@contextlib.contextmanager
def _folder(output: str) -> Iterator[None]:
    """Creates the folder of windows, and locks it inside the ``with`` block.

    Raises:
      OutputError: it cannot be created, or another run writes there.
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
      options: the options of the run.
      scratch: the temporary folder of the run.
      progress_folder: the folder to which readers write their progress; empty for none.
      log: the folder for a file about each pane; empty for none.

    Attributes:
      token: identifies the run in the names of its temporary files.
      dictionary: the dictionary, which has been read.
      has_end: whether the stream is read only up to its current end.
      next_run: what another run with the same options will do, for the user.

    Raises:
      UsageError: the dictionary cannot be read, or the folder has windows of other settings.
      OutputError: the folder cannot be read.
    """

    def __init__(self, options: AnagramOptions, scratch: str, progress_folder: str, log: str):
        self._options, self._output = options, options.output
        self.token = new_token()
        self._progress_folder, self._log = progress_folder, log
        self._windowing = Windowing.parse(options.window)
        self._text = text_settings(options)
        self._side_outputs = SideOutputs()
        self._stage = stage_settings(options, self._side_outputs)
        self.dictionary = load_dictionary(options, scratch)
        self._settings = _recorded(options, self.dictionary)
        self._state = self._resumed()
        self._names: FileNames | None = None
        if options.group_by is not None:
            self._names = FileNames(
                prefixes=tuple(prefix_of(given, _absolute(given)) for given in options.input)
            )
        # For how long a window that is complete may get more. Of files, none is ever late.
        self._lateness = 0 if options.watch else options.allowed_lateness or 0
        self._tell: Callable[[float], None] | None = None
        self.has_end = False
        self.next_run = "the same command continues after them"

    def pipeline(self) -> beam.Pipeline:
        """Returns the pipeline."""
        options = self._options
        source = self._source()
        # Set before the pipeline is made, because the pipeline copies the options.
        options.view_as(PortableOptions).job_server_timeout = _YEARS
        if runner_name(options) == "PrismRunner":
            options.view_as(DebugOptions).add_experiment(_NO_SPLITS)
        pipeline = new_pipeline(options)
        records = build(
            pipeline,
            source if self._names is None else ByFile(source, self._names),
            dictionary=self.dictionary,
            **counting_settings(options),
            per_group=self._names is not None,
            # Columns would mix the records of several panes.
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
            file_groups=self._names,
            window_log=self._log,
            continues=True,
            settled=self._settled(),
            **self._stage,
        )
        _ = published | "RecordComplete" >> RecordComplete(
            self._output, self._settings, self._tell, self._stage["resilience"]
        )
        return pipeline

    @property
    def measured(self) -> frozenset[Count]:
        """The counts that the stages of the pipeline make in windows."""
        return measured_in_windows(self._side_outputs)

    def begin(self) -> None:
        """Saves the settings of the windows in the folder.

        Raises:
          OutputError: it cannot be written.
        """
        self._state.write(self._output)

    def end(self) -> None:
        """Saves that the stream was read to its end, so its last window closed early.

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
                message = f"{self._output} was begun with {before!r}; give another folder as output"
                raise UsageError(message, setting=name, value=value)
        if state.is_ended:
            message = (
                "its stream was read to the end, and its last window closed: give a new folder"
            )
            raise UsageError(message, setting="output", value=self._output)
        return state

    def _window(self) -> "_EnterWindows":
        # Windows that may still get panes are counted again.
        published = () if self._lateness else tuple(published_windows(self._output))
        drop = DropPublished(published, self._over_until)
        return _EnterWindows(self._windowing.into(self._options.allowed_lateness or 0), drop)

    def _settled(self) -> set[str]:
        """Returns the files of panes whose messages are not delivered again."""
        if not self._lateness or scheme_of(self._options.input[0]) != "pubsub":
            return set()
        folders = filter(None, (self._output, self._options.dead_letters))
        return set().union(*map(published_files, folders))

    @property
    def _over_until(self) -> float | None:
        """The time up to which windows, by their end, get no more panes."""
        until = self._state.complete_until
        return None if until is None else until - self._lateness

    @property
    def _since(self) -> float | None:
        until = self._state.complete_until
        return None if until is None else until - self._windowing.reach(self._lateness)

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
                not_before=self._state.complete_until,
                text=self._text,
                progress_folder=self._progress_folder,
                **settings,
            )
        if scheme_of(url) == "pubsub":
            from beam_pipeline.io.streams.pubsub import ReadPubSub

            # Beam's reader acknowledges messages as soon as it has received them.
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
            self._tell = CommitPublished(topic, self._windowing.reach(self._lateness))
        try:
            partitions = Partitions(topic, Resilience(max_attempts=1))
            with contextlib.closing(partitions):
                partitions.numbers()
        except InputError as error:
            raise UsageError(str(error)) from error
        return ReadKafka(
            topic,
            max_splits=max_splits_for(self._options),
            progress_folder=self._progress_folder,
            **settings,
        )


@dataclass
class _EnterWindows(beam.PTransform[Any, Any]):
    """Assigns windows to elements, and drops the elements of windows that are published.

    Attributes:
      into: assigns the windows.
      drop: drops the elements.
    """

    into: beam.PTransform[Any, Any]
    drop: DropPublished

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, elements: Any) -> Any:
        return elements | "Into" >> self.into | "DropPublished" >> self.drop


def _recorded(options: AnagramOptions, dictionary: DictionarySpec) -> dict[str, Any]:
    """Returns the settings on which the content of windows depends, as types of JSON."""
    names = (*_SETTINGS, *SETTINGS_OF_DEAD_LETTERS)
    settings = {name: getattr(options, name) for name in names}
    # The positions at which reading begins and ends do not change the content of a window.
    settings["input"] = [
        url.partition("?")[0] if is_stream(url) else _absolute(url) for url in options.input
    ]
    if options.group_by is not None:  # groups have the names of the files as given
        pairs = zip(settings["input"], options.input, strict=True)
        settings["input"] = [f"{path} as {given}" for path, given in pairs]
    settings["allowed_lateness"] = options.allowed_lateness or 0
    del settings["watch"]
    return settings


def _absolute(pattern: str) -> str:
    path = local_path(pattern)
    if not is_local(path):
        return path
    return os.path.join(os.path.abspath(path), "") if path.endswith("/") else os.path.abspath(path)


def line_of(progress: StreamSnapshot, windows: int, width: int) -> str:
    """Returns the progress line for a snapshot: the most informative one that fits.

    Args:
      progress: the readers' progress.
      windows: the number of windows that have been published.
      width: the width of the terminal, in columns.

    Example:
      >>> line_of(StreamSnapshot(12_000, 480_000, 30, partitions=2), 4, 79)
      'reading 12,000 messages, 480.0 kB, 30 behind; 4 windows published'
      >>> line_of(StreamSnapshot(12_000, 480_000, 30, partitions=2), 4, 40)
      'reading 12,000 messages; 4 windows'
    """
    number = counted(windows, "window")
    if not progress.partitions:  # files and Pub/Sub have no further figures
        return f"{number} published"[:width]
    messages = counted(progress.messages, "message")
    behind = "" if progress.lag is None else f", {progress.lag:,} behind"
    texts = (
        f"reading {messages}, {decimal(progress.bytes)}{behind}; {number} published",
        f"reading {messages}{behind}; {number}",
        f"reading {messages}; {number}",
    )
    return next((text for text in texts if len(text) <= width), texts[-1][:width])
