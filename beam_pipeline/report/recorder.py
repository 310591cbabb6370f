"""Keeps a record of a run from its begin to its end, and makes its report of it."""

import contextlib
import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.runners.runner import PipelineResult

from beam_pipeline.io import publishing
from beam_pipeline.monitor.watch import RunMonitor, monitoring
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

#: How many of the largest classes are reported.
LARGEST = 20
_OF_A_WHOLE_RUN = (
    *("bytes_per_second", "words_per_second", "metrics", "conservation", "words_by_length"),
    *("result", "largest_classes", "dead_letters"),
)
_OF_THIS_MACHINE = (
    *("cpu_seconds", "phases", "peak_memory_bytes", "peak_process_bytes", "timeline"),
)
_DISTRIBUTIONS = ("word_length", "block_bytes", "block_microseconds")


class RunRecorder:
    """What is known of a run so far.

    Args:
      options: the run's.
      scratch: an empty folder for it, on this machine.

    Attributes:
      gauge: the folder where readers tell how far they are; empty where they run elsewhere.
      totals: of the whole run, see `transforms.stages.totals`; None as long as they are not known.
      result: what the runner has handed back.
      output: where the result stands.
    """

    def __init__(self, options: AnagramOptions, scratch: str):
        self._options = options
        self._is_local = is_local(options.view_as(StandardOptions).runner)
        self._runner = describe_runner(options)
        self.gauge = ""
        if self._is_local:
            self.gauge = str(Path(scratch, "gauge"))
            Path(self.gauge).mkdir()
        self.watch = RunMonitor(self.gauge)
        self.totals: Mapping[str, int] | None = None
        self.result: PipelineResult | None = None
        self.output: str | None = None
        self._unknown: dict[str, str] = {}

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Watches the run inside the ``with`` block, and shows how far it is if that is wanted."""
        with contextlib.ExitStack() as stack:
            show = None
            if self._options.progress:
                from beam_pipeline.monitor.progress_line import (
                    progress_line,  # not all have time to load rich
                )

                show = stack.enter_context(progress_line())
            self.watch = stack.enter_context(monitoring(self.gauge, show))
            yield

    def report(self, error: BaseException | None = None) -> RunReport:
        """-> what there is to report of the run, which has ended, perhaps with an `error`.

        What takes a while to find out is in it only if the options ask for a report.
        """
        options, totals, seconds = self._options, self.totals, self.watch.seconds
        self._unknown = {}
        if totals is None:
            self._unknown |= dict.fromkeys(_OF_A_WHOLE_RUN, "the run failed")
        return RunReport(
            status="done" if error is None else "failed",
            error=None if error is None else one_line(error),
            started=_utc_timestamp(self.watch.began),
            runner=self._runner,
            options={} if options.report is None else figures.shown_options(options),
            versions=versions(),
            dictionary=self._dictionary(),
            input=self._input(),
            wall_seconds=seconds,
            bytes_per_second=None if totals is None else totals.get("bytes_read", 0) / seconds,
            words_per_second=None if totals is None else totals.get("words", 0) / seconds,
            metrics=self._metrics(),
            conservation=None if totals is None else figures.laws(totals),
            words_by_length=None if totals is None else figures.lengths(totals),
            dead_letters=figures.dead_letters(options.dead_letters, totals),
            **self._use(failed=error is not None),
            **self._result(),
            unknown=self._unknown,
        )

    def _use(self, *, failed: bool) -> dict[str, Any]:
        if not self._is_local:
            elsewhere = f"{self._runner} may work on other machines"
            self._unknown |= dict.fromkeys(_OF_THIS_MACHINE, elsewhere)
            return {}
        phases = self.watch.phases(failed=failed)
        if phases is None:
            self._unknown["phases"] = "the run failed before its runner began"
        return {
            "cpu_seconds": self.watch.cpu_seconds,
            "phases": phases,
            "peak_memory_bytes": self.watch.peak_memory_bytes,
            "peak_process_bytes": self.watch.peak_process_bytes,
            "timeline": tuple(self.watch.points),
        }

    def _dictionary(self) -> DictionaryIdentity:
        spec = DictionarySpec(self._options.dictionary, self._options.normalization)
        named = DictionaryIdentity(spec.spec, spec.normalization)
        if self._options.report is None:
            return named
        if spec.is_corpus:
            self._unknown["dictionary"] = "the words of the text itself"
            return named
        try:
            found = spec.load()
        except AnagramError as error:
            self._unknown["dictionary"] = one_line(error)
            return named
        return DictionaryIdentity(
            spec.spec, spec.normalization, found.size, len(found.classes), found.sha256()
        )

    def _input(self) -> Input:
        options, level = self._options, self.watch.level
        if options.text is not None:
            return Input(("<text>",), 0, len(options.text.encode("utf-8", "surrogateescape")))
        if options.replay is not None:
            self._unknown["input"] = "a replay reads parts of files"
            return Input((options.replay,))
        files, size = level.files, level.bytes
        if self.totals is not None:
            files, size = self.totals.get("input_files", 0), self.totals.get("input_bytes", 0)
        if files is None:
            self._unknown["input"] = "the run failed, and its files may not have been listed"
        return Input(tuple(options.input), files, size)

    def _metrics(self) -> dict[str, int | Distribution | None]:
        known: dict[str, Distribution] = {}
        reason = "the runner has told of none"
        if self.result is not None:
            try:
                known = figures.distributions(self.result.metrics())
            except Exception as error:  # not every runner has them
                reason = f"the runner tells of none ({one_line(error)})"
        found = {name: known.get(name) for name in _DISTRIBUTIONS}
        if self.totals is not None:
            # Exact, where Beam's is a sample that may count a repeated bundle twice.
            found["word_length"] = figures.word_length(figures.lengths(self.totals))
            missing = [name for name, value in found.items() if value is None]
            self._unknown |= dict.fromkeys(missing, reason)
        return {**figures.counters(self.totals), **found}

    def _result(self) -> dict[str, Any]:
        output, options = self.output, self._options
        if output is None or options.report is None:
            return {}
        shards = range(options.num_shards)
        paths = [publishing.shard_path(output, shard, options.num_shards) for shard in shards]
        try:
            return {
                "result": tuple(identify(path, path if options.output else None) for path in paths),
                "largest_classes": largest_classes(paths, options.output_format, LARGEST),
            }
        except Exception as error:  # each filesystem raises its own
            reason = f"it cannot be read from here: {one_line(error)}"
            self._unknown |= dict.fromkeys(("result", "largest_classes"), reason)
            return {}


def one_line(error: BaseException) -> str:
    """What a user is told of `error`."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; nothing was published"
    return " ".join(str(error).split()) or type(error).__name__


def _utc_timestamp(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds")
