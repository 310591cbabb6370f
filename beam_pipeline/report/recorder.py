"""Records a run from its beginning to its end, and makes its report."""

import contextlib
import datetime
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.io.inputs import reads_terminal
from beam_pipeline.io.naming import shard_path
from beam_pipeline.io.streams import is_stream, scheme_of
from beam_pipeline.monitor.progress_line import ProgressLine
from beam_pipeline.monitor.run_monitor import RunMonitor
from beam_pipeline.monitor.stream_progress import StreamSnapshot, read_stream_snapshot
from beam_pipeline.options import AnagramOptions, is_streaming
from beam_pipeline.redaction import redact
from beam_pipeline.report import figures
from beam_pipeline.report.model import (
    DictionaryIdentity,
    Distribution,
    Input,
    LargestClass,
    RunReport,
    StreamFigures,
    versions,
)
from beam_pipeline.report.results import identify, largest_classes
from beam_pipeline.runners.names import describe_runner, is_local
from transforms.dictionary import DictionarySpec
from transforms.errors import AnagramError
from transforms.stages import traffic
from transforms.stages.totals import Count, Invariant, Totals, invariants

#: How many of the largest classes are reported.
LARGEST_CLASSES = 20
# The fields that are unknown for a run that has failed.
_OF_A_WHOLE_RUN = (
    *("bytes_per_second", "words_per_second", "metrics", "invariants", "words_by_length"),
    *("result", "largest_classes", "dead_letters"),
)
# The fields that are unknown if workers are on other machines.
_OF_THIS_MACHINE = (
    *("cpu_seconds", "phases", "peak_memory_bytes", "peak_process_bytes", "timeline"),
)
_OF_STORES = ("store_requests", "store_bytes_received", "store_bytes_sent")
_DISTRIBUTIONS = ("word_length", "block_bytes", "block_microseconds")


class RunRecorder:
    """Records one run, and makes its report.

    Args:
      options: the options of the run.
      scratch: an empty folder for the run, on this machine.
      began: when the run began, in seconds since the epoch; by default when it is first recorded.

    Attributes:
      progress_folder: the folder to which readers write their progress; empty if they run on other
        machines.
    """

    def __init__(self, options: AnagramOptions, scratch: str, began: float | None = None):
        self._options = options
        self._is_local = is_local(options.view_as(StandardOptions).runner)
        self._runner = describe_runner(options)
        self.progress_folder = ""
        # `--text` is not read from a file, and Pub/Sub is read by Beam.
        self._stream_kind = _kind_of_stream(options)
        if self._is_local and options.text is None and self._stream_kind != "pubsub":
            self.progress_folder = str(Path(scratch, "progress"))
            Path(self.progress_folder).mkdir()
        self._monitor = RunMonitor(self.progress_folder, began=began)
        self._progress_line: ProgressLine | None = None
        self._line: Callable[[int], str] | None = None
        self._input_is_typed = reads_terminal(options.input or ())
        self._totals: Totals | None = None
        self._invariants: tuple[Invariant, ...] | None = None
        self._result: PipelineResult | None = None
        self._output: str | None = None
        self._number_of_windows: int | None = None
        self._panes: list[dict[str, Any]] | None = None
        self._stream_progress = StreamSnapshot()
        self._dictionary_spec: DictionarySpec | None = None
        self._unknown: dict[str, str] = {}

    @contextlib.contextmanager
    def recording(self, line: Callable[[int], str] | None = None) -> Iterator[None]:
        """Monitors the run inside the ``with`` block, and shows its progress if the options say so.

        Args:
          line: returns the progress line, see `ProgressLine.draw`; by default that for files.
        """
        self._line = line
        with contextlib.ExitStack() as stack:
            if self._options.progress:
                self._progress_line = stack.enter_context(ProgressLine(sys.stderr))
            stack.enter_context(self._monitor.monitoring(self._show_progress))
            yield

    def end_progress(self) -> None:
        """Removes the progress line, before something else is printed."""
        if self._progress_line is not None:
            self._progress_line.close()

    def _show_progress(self, monitor: RunMonitor) -> None:
        is_typing = self._input_is_typed and monitor.submitted is None
        if self._progress_line is None or is_typing:
            return
        if self._line is not None:
            self._progress_line.draw(self._line)
        else:
            self._progress_line.show(monitor.progress, began=monitor.began, now=time.time())

    def mark_submitted(self) -> None:
        """Records that the pipeline is built and submitted to its runner."""
        self._monitor.mark_submitted()

    def record_result(self, result: PipelineResult) -> None:
        """Records the result that the runner has returned."""
        self._result = result

    def record_dictionary(self, dictionary: DictionarySpec) -> None:
        """Records the dictionary."""
        self._dictionary_spec = dictionary

    def record_totals(self, totals: Totals, measured: Iterable[Count]) -> None:
        """Records the totals of the whole run.

        Args:
          totals: the totals of all stages; this thread's requests to stores are added.
          measured: the counts that the stages of its pipeline make.
        """
        traffic.drain_into(totals)
        self._totals, self._invariants = totals, tuple(invariants(totals, measured))

    def record_output(self, path: str) -> None:
        """Records the path at which the result has been published."""
        self._output = path

    def record_windows(self, windows: int, log: str, measured: Iterable[Count]) -> None:
        """Records what a run over a stream has read and published.

        Args:
          windows: the number of published windows.
          log: the folder with a file about each pane, see
            `beam_pipeline.io.windowed_sinks.WriteWindows`; empty if there is none.
          measured: as for `record_totals`.
        """
        if self.progress_folder:
            self._stream_progress = read_stream_snapshot(self.progress_folder)
        self._number_of_windows = windows
        if log and self._is_local:
            files = sorted(Path(log).glob("*.json")) if Path(log).is_dir() else []
            self._panes = [json.loads(file.read_bytes()) for file in files]
            totals = Totals()
            for window in self._panes:
                totals.merge(Totals.from_json(window["totals"]))
            from beam_pipeline.io.windowed_sinks import without_late_words  # takes a while to load

            self.record_totals(totals, measured)
            counted = without_late_words(totals, measured)
            self._invariants = tuple(invariants(counted, measured))

    def report(self, error: BaseException | None = None) -> RunReport:
        """Returns the report of the run, which has ended.

        Figures that take a while to determine are included only if the options ask for a report.

        Args:
          error: the error that ended the run, if it has failed.
        """
        options, totals, seconds = self._options, self._totals, self._monitor.seconds
        self._unknown = {}
        if totals is None:
            reason = "the run failed" if self._stream_kind is None else "only windows are known"
            self._unknown |= dict.fromkeys(_OF_A_WHOLE_RUN, reason)
        return RunReport(
            status="done" if error is None else "failed",
            error=None if error is None else one_line(error),
            started=_utc_timestamp(self._monitor.began),
            runner=self._runner,
            options={} if not options.report else figures.shown_options(options),
            versions=versions(),
            dictionary=self._dictionary(),
            input=self._input(),
            wall_seconds=seconds,
            bytes_per_second=None if totals is None else totals[Count.BYTES_READ] / seconds,
            words_per_second=None if totals is None else totals[Count.WORDS] / seconds,
            metrics=self._metrics(),
            invariants=self._invariants,
            words_by_length=None if totals is None else figures.words_by_length(totals),
            dead_letters=figures.dead_letters(redact(options.dead_letters or "") or None, totals),
            **self._resource_usage(failed=error is not None),
            **self._result_figures(),
            stream=self._stream(),
            unknown=self._unknown,
        )

    def _resource_usage(self, *, failed: bool) -> dict[str, Any]:
        if not self._is_local:
            elsewhere = f"{self._runner} may work on other machines"
            self._unknown |= dict.fromkeys(_OF_THIS_MACHINE, elsewhere)
            return {}
        if not self.progress_folder:
            reason = "a text that is given itself" if self._stream_kind is None else "Pub/Sub"
            self._unknown["timeline"] = f"{reason} is not read from files"
        phases = self._monitor.phases(failed=failed)
        if phases is None:
            self._unknown["phases"] = "the run failed before its runner began"
        return {
            "cpu_seconds": self._monitor.cpu_seconds,
            "phases": phases,
            "peak_memory_bytes": self._monitor.peak_memory_bytes,
            "peak_process_bytes": self._monitor.peak_process_bytes,
            "timeline": tuple(self._monitor.timeline),
        }

    def _dictionary(self) -> DictionaryIdentity:
        options, spec = self._options, self._dictionary_spec
        named = DictionaryIdentity(redact("+".join(options.dictionary)), options.normalization)
        if spec is None:
            self._unknown["dictionary"] = "the run failed before it was loaded"
            return named
        if spec.is_corpus:
            self._unknown["dictionary"] = "the words of the text itself"
            return named
        if not options.report and not spec.digest:
            return named  # loading it for the report only takes a while
        try:
            dictionary = spec.load()
        except AnagramError as error:
            self._unknown["dictionary"] = one_line(error)
            return named
        return DictionaryIdentity(
            redact(spec.spec),
            spec.normalization,
            dictionary.size,
            len(dictionary.classes) if options.report else None,
            dictionary.sha256() if options.report else None,
            dictionary.sources,
        )

    def _input(self) -> Input:
        options, progress = self._options, self._monitor.progress
        if options.text is not None:
            return Input(("<text>",), 0, len(options.text.encode("utf-8", "surrogateescape")))
        if options.replay is not None:
            self._unknown["input"] = "a replay reads parts of files"
            return Input((redact(options.replay),))
        patterns = tuple(map(redact, options.input))
        if self._stream_kind is not None:
            self._unknown["input"] = "a stream has no end"
            return Input(patterns)
        files, size = progress.files, progress.bytes
        if self._totals is not None:
            files, size = self._totals[Count.INPUT_FILES], self._totals[Count.INPUT_BYTES]
        if files is None:
            self._unknown["input"] = "the run failed, and its files may not have been listed"
        return Input(patterns, files, size)

    def _stream(self) -> StreamFigures | None:
        if self._stream_kind is None:
            return None
        progress = self._stream_progress
        is_known = progress.partitions > 0
        if not is_known or self._panes is None:
            self._unknown["stream"] = "how much is read is known of Kafka on this machine only"
        panes = [pane for pane in self._panes or () if pane["window_end"] is not None]
        return StreamFigures(
            self._stream_kind,
            progress.messages if is_known else None,
            progress.bytes if is_known else None,
            progress.lag,
            self._number_of_windows,
            min((pane["window_start"] for pane in panes), default=None),
            max((pane["window_end"] for pane in panes), default=None),
            None if self._panes is None else sum(pane["words_late"] for pane in panes),
        )

    def _metrics(self) -> dict[str, int | Distribution | None]:
        of_beam: dict[str, Distribution] = {}
        reason = "the runner has reported none"
        if self._result is not None:
            try:
                of_beam = figures.distributions(self._result.metrics())
            except Exception as error:  # not every runner has metrics
                reason = f"the runner reports none ({one_line(error)})"
        distributions = {name: of_beam.get(name) for name in _DISTRIBUTIONS}
        if self._totals is not None:
            # These are exact, while Beam's metrics may count a repeated bundle twice.
            lengths = figures.words_by_length(self._totals)
            distributions["word_length"] = figures.word_length(lengths)
            missing = [name for name, value in distributions.items() if value is None]
            self._unknown |= dict.fromkeys(missing, reason)
        counters = figures.counters(self._totals)
        if self._totals is not None and not self._totals[Count.STORE_REQUESTS]:
            self._unknown |= dict.fromkeys(_OF_STORES, "all files of the run are local")
            counters |= dict.fromkeys(_OF_STORES)
        return {**counters, **distributions}

    def _result_figures(self) -> dict[str, Any]:
        output, options = self._output, self._options
        if not options.report or (output is None and self._panes is None):
            return {}
        if output is not None:
            shards = range(options.num_shards)
            paths = [shard_path(output, shard, options.num_shards) for shard in shards]
        else:
            paths = [window["path"] for window in self._panes or () if window["path"]]
            if not paths:
                reason = "no window has been published"
                self._unknown |= dict.fromkeys(("result", "largest_classes"), reason)
                return {}
        try:
            return {
                "result": tuple(
                    identify(path, redact(path) if options.output else None) for path in paths
                ),
                "largest_classes": self._largest_classes(paths),
            }
        except Exception as error:  # each filesystem raises its own
            reason = f"it cannot be read from here: {one_line(error)}"
            self._unknown |= dict.fromkeys(("result", "largest_classes"), reason)
            return {}

    def _largest_classes(self, paths: list[str]) -> tuple[LargestClass, ...] | None:
        if self._options.group_by is not None:
            self._unknown["largest_classes"] = "words are counted by group"
            return None
        if self._stream_kind is not None:
            self._unknown["largest_classes"] = "words are counted by window"
            return None
        return largest_classes(paths, self._options.output_format, LARGEST_CLASSES)


def one_line(error: BaseException) -> str:
    """Returns the message of an error as one line without secrets, for a user."""
    if isinstance(error, KeyboardInterrupt):
        command = interruption.current()
        return f"interrupted; {command.outcome if command else interruption.NOTHING_PUBLISHED}"
    return redact(" ".join(str(error).split())) or type(error).__name__


def _kind_of_stream(options: AnagramOptions) -> str | None:
    if not is_streaming(options):
        return None
    url = options.input[0]
    return scheme_of(url) if is_stream(url) else "files"


def _utc_timestamp(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds")
