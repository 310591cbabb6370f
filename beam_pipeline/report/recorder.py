"""Records a run from its begin to its end, and makes its report."""

import contextlib
import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.io import publishing
from beam_pipeline.monitor.run_monitor import RunMonitor
from beam_pipeline.options import AnagramOptions
from beam_pipeline.report import figures
from beam_pipeline.report.model import (
    DictionaryIdentity,
    Distribution,
    Input,
    RunReport,
    versions,
)
from beam_pipeline.report.results import identify, largest_classes
from beam_pipeline.runners.names import describe_runner, is_local
from transforms.dictionary import DictionarySpec
from transforms.errors import AnagramError
from transforms.stages.totals import Count, Invariant, Totals, invariants

#: How many of the largest classes are reported.
LARGEST_CLASSES = 20
# What is unknown of a run that has failed.
_OF_A_WHOLE_RUN = (
    *("bytes_per_second", "words_per_second", "metrics", "invariants", "words_by_length"),
    *("result", "largest_classes", "dead_letters"),
)
# What is unknown where the workers are on other machines.
_OF_THIS_MACHINE = (
    *("cpu_seconds", "phases", "peak_memory_bytes", "peak_process_bytes", "timeline"),
)
_DISTRIBUTIONS = ("word_length", "block_bytes", "block_microseconds")


class RunRecorder:
    """Records one run, and makes its report.

    Args:
      options: of the run.
      scratch: an empty folder for the run, on this machine.

    Attributes:
      progress_folder: where readers publish how far they are; empty where they run elsewhere.
    """

    def __init__(self, options: AnagramOptions, scratch: str):
        self._options = options
        self._is_local = is_local(options.view_as(StandardOptions).runner)
        self._runner = describe_runner(options)
        self.progress_folder = ""
        if self._is_local:
            self.progress_folder = str(Path(scratch, "progress"))
            Path(self.progress_folder).mkdir()
        self._monitor = RunMonitor(self.progress_folder)
        self._totals: Totals | None = None
        self._invariants: tuple[Invariant, ...] | None = None
        self._result: PipelineResult | None = None
        self._output: str | None = None
        self._unknown: dict[str, str] = {}

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Monitors the run inside the ``with`` block, and shows its progress if that is wanted."""
        with contextlib.ExitStack() as stack:
            listener = None
            if self._options.progress:
                # Imported only here, as rich takes a while to load.
                from beam_pipeline.monitor.progress_line import progress_line

                show = stack.enter_context(progress_line())

                def listener(monitor: RunMonitor) -> None:
                    show(monitor.progress)

            stack.enter_context(self._monitor.monitoring(listener))
            yield

    def mark_submitted(self) -> None:
        """Records that the pipeline is built and its runner starts to work."""
        self._monitor.mark_submitted()

    def record_result(self, result: PipelineResult) -> None:
        """Records what the runner has returned."""
        self._result = result

    def record_totals(self, totals: Totals, measured: Iterable[Count]) -> None:
        """Records the totals of the whole run.

        Args:
          totals: of all stages.
          measured: what the stages of its pipeline count.
        """
        self._totals, self._invariants = totals, tuple(invariants(totals, measured))

    def record_output(self, path: str) -> None:
        """Records where the result has been published."""
        self._output = path

    def report(self, error: BaseException | None = None) -> RunReport:
        """Returns the report of the run, which has ended.

        What takes a while to find out is in it only if the options ask for a report.

        Args:
          error: what ended the run, if it has failed.
        """
        options, totals, seconds = self._options, self._totals, self._monitor.seconds
        self._unknown = {}
        if totals is None:
            self._unknown |= dict.fromkeys(_OF_A_WHOLE_RUN, "the run failed")
        return RunReport(
            status="done" if error is None else "failed",
            error=None if error is None else one_line(error),
            started=_utc_timestamp(self._monitor.began),
            runner=self._runner,
            options={} if options.report is None else figures.shown_options(options),
            versions=versions(),
            dictionary=self._dictionary(),
            input=self._input(),
            wall_seconds=seconds,
            bytes_per_second=None if totals is None else totals[Count.BYTES_READ] / seconds,
            words_per_second=None if totals is None else totals[Count.WORDS] / seconds,
            metrics=self._metrics(),
            invariants=self._invariants,
            words_by_length=None if totals is None else figures.words_by_length(totals),
            dead_letters=figures.dead_letters(options.dead_letters, totals),
            **self._resource_usage(failed=error is not None),
            **self._result_figures(),
            unknown=self._unknown,
        )

    def _resource_usage(self, *, failed: bool) -> dict[str, Any]:
        if not self._is_local:
            elsewhere = f"{self._runner} may work on other machines"
            self._unknown |= dict.fromkeys(_OF_THIS_MACHINE, elsewhere)
            return {}
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
        spec = DictionarySpec(self._options.dictionary, self._options.normalization)
        only_named = DictionaryIdentity(spec.spec, spec.normalization)
        if self._options.report is None:
            return only_named
        if spec.is_corpus:
            self._unknown["dictionary"] = "the words of the text itself"
            return only_named
        try:
            dictionary = spec.load()
        except AnagramError as error:
            self._unknown["dictionary"] = one_line(error)
            return only_named
        return DictionaryIdentity(
            spec.spec,
            spec.normalization,
            dictionary.size,
            len(dictionary.classes),
            dictionary.sha256(),
        )

    def _input(self) -> Input:
        options, progress = self._options, self._monitor.progress
        if options.text is not None:
            return Input(("<text>",), 0, len(options.text.encode("utf-8", "surrogateescape")))
        if options.replay is not None:
            self._unknown["input"] = "a replay reads parts of files"
            return Input((options.replay,))
        files, size = progress.files, progress.bytes
        if self._totals is not None:
            files, size = self._totals[Count.INPUT_FILES], self._totals[Count.INPUT_BYTES]
        if files is None:
            self._unknown["input"] = "the run failed, and its files may not have been listed"
        return Input(tuple(options.input), files, size)

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
            # Exact, while Beam's may count a repeated bundle twice.
            lengths = figures.words_by_length(self._totals)
            distributions["word_length"] = figures.word_length(lengths)
            missing = [name for name, value in distributions.items() if value is None]
            self._unknown |= dict.fromkeys(missing, reason)
        return {**figures.counters(self._totals), **distributions}

    def _result_figures(self) -> dict[str, Any]:
        output, options = self._output, self._options
        if output is None or options.report is None:
            return {}
        shards = range(options.num_shards)
        paths = [publishing.shard_path(output, shard, options.num_shards) for shard in shards]
        try:
            return {
                "result": tuple(identify(path, path if options.output else None) for path in paths),
                "largest_classes": largest_classes(paths, options.output_format, LARGEST_CLASSES),
            }
        except Exception as error:  # each filesystem raises its own
            reason = f"it cannot be read from here: {one_line(error)}"
            self._unknown |= dict.fromkeys(("result", "largest_classes"), reason)
            return {}


def one_line(error: BaseException) -> str:
    """Returns the message of an error as one line, for a user."""
    if isinstance(error, KeyboardInterrupt):
        command = interruption.current()
        return f"interrupted; {command.outcome if command else interruption.NOTHING_PUBLISHED}"
    return " ".join(str(error).split()) or type(error).__name__


def _utc_timestamp(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds")
