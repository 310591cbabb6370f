"""Keeps a record of a run from its begin to its end, and makes its report of it."""

import contextlib
import datetime
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import atomic
from beam_pipeline.arguments import defaults, is_local
from beam_pipeline.options import AnagramOptions
from beam_pipeline.progress import progress_line
from beam_pipeline.report import (
    COUNTERS,
    DeadLetters,
    DictionaryIdentity,
    Distribution,
    Input,
    Law,
    LengthCount,
    RunReport,
    versions,
)
from beam_pipeline.results import identify, largest_classes
from beam_pipeline.runner import runner_name
from beam_pipeline.watch import Watch, watching
from transforms.dictionary import DictionarySpec
from transforms.errors import AnagramError
from transforms.ledger import CAUSE_PREFIX, conservation
from transforms.metrics import LENGTH_PREFIX, NAMESPACE

#: How many of the largest classes are reported.
LARGEST = 20
_LONGEST_OPTION = 200
_OF_A_WHOLE_RUN = (
    "bytes_per_second",
    "words_per_second",
    "metrics",
    "conservation",
    "words_by_length",
    "result",
    "largest_classes",
    "dead_letters",
)
_OF_THIS_MACHINE = (
    "cpu_seconds",
    "phases",
    "peak_memory_bytes",
    "peak_process_bytes",
    "timeline",
)
_SECRET = re.compile(r"secret|passw|token|credential|connection_string|(access|private|api)_?key")


class Record:
    """What is known of a run so far.

    Args:
      options: the run's.
      scratch: a folder for it, on this machine.

    Attributes:
      gauge: the folder where readers tell how far they are; empty where they run elsewhere.
      totals: of the whole run, see `transforms.ledger`; None as long as they are not known.
      result: what the runner has handed back.
      output: where the result stands.
    """

    def __init__(self, options: AnagramOptions, scratch: str):
        self._options = options
        self._is_local = is_local(options.get_all_options()["runner"])
        self.gauge = ""
        if self._is_local:
            self.gauge = str(Path(scratch, "gauge"))
            Path(self.gauge).mkdir()
        self.watch = Watch(self.gauge)
        self.totals: Mapping[str, int] | None = None
        self.result: PipelineResult | None = None
        self.output: str | None = None

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Watches the run inside the ``with`` block, and shows how far it is if that is wanted."""
        with contextlib.ExitStack() as stack:
            show = stack.enter_context(progress_line()) if self._options.progress else None
            self.watch = stack.enter_context(watching(self.gauge, show))
            yield

    def report(self, error: BaseException | None = None) -> RunReport:
        """-> what there is to report of the run, which has ended, perhaps with an `error`.

        What takes a while to find out is in it only if the options ask for a report.
        """
        return _Writer(self, self._options, self._is_local, error).report()


class _Writer:
    """Writes one report."""

    def __init__(
        self, record: Record, options: AnagramOptions, local: bool, error: BaseException | None
    ):
        self._record = record
        self._options = options
        self._local = local
        self._error = error
        self._unknown: dict[str, str] = {}

    def report(self) -> RunReport:
        watch, totals, options = self._record.watch, self._record.totals, self._options
        wanted = options.report is not None
        used: dict[str, Any] = {}
        if self._local:
            used = {
                "cpu_seconds": watch.cpu_seconds,
                "phases": watch.phases(failed=self._error is not None),
                "peak_memory_bytes": watch.peak_memory_bytes,
                "peak_process_bytes": watch.peak_process_bytes,
                "timeline": tuple(watch.points),
            }
            if used["phases"] is None:
                self._unknown["phases"] = "the run failed before its runner began"
        else:
            elsewhere = f"{runner_name(options)} may work on other machines"
            self._unknown |= dict.fromkeys(_OF_THIS_MACHINE, elsewhere)
        if totals is None:
            self._unknown |= dict.fromkeys(_OF_A_WHOLE_RUN, "the run failed")
        return RunReport(
            status="done" if self._error is None else "failed",
            error=None if self._error is None else one_line(self._error),
            started=_moment(watch.began),
            runner=runner_name(options),
            options=shown_options(options),
            versions=versions(),
            dictionary=self._dictionary() if wanted else _unidentified(options),
            input=self._input(),
            wall_seconds=watch.seconds,
            bytes_per_second=self._per_second("bytes_read"),
            words_per_second=self._per_second("words"),
            metrics=self._metrics(),
            conservation=None if totals is None else _laws(totals),
            words_by_length=None if totals is None else _lengths(totals),
            dead_letters=self._dead_letters(),
            **(self._result() if wanted else {}),
            **used,
            unknown=self._unknown,
        )

    def _per_second(self, name: str) -> float | None:
        totals = self._record.totals
        return None if totals is None else totals.get(name, 0) / self._record.watch.seconds

    def _dictionary(self) -> DictionaryIdentity:
        spec = DictionarySpec(self._options.dictionary, self._options.normalization)
        if spec.is_corpus:
            self._unknown["dictionary"] = "the words of the text itself"
            return _unidentified(self._options)
        try:
            found = spec.load()
        except AnagramError as error:
            self._unknown["dictionary"] = one_line(error)
            return _unidentified(self._options)
        return DictionaryIdentity(
            spec.spec, spec.normalization, found.size, len(found.classes), found.sha256()
        )

    def _input(self) -> Input:
        options, level = self._options, self._record.watch.level
        if options.text is not None:
            size = len(options.text.encode("utf-8", "surrogateescape"))
            return Input(("<text>",), 0, size)
        if options.replay is not None:
            self._unknown["input"] = "a replay reads parts of files"
            return Input((options.replay,))
        if level.files is None:
            self._unknown["input"] = (
                "the run failed before its files were listed"
                if self._local
                else f"{runner_name(options)} lists its files on other machines"
            )
        return Input(tuple(options.input or ()), level.files, level.bytes)

    def _metrics(self) -> dict[str, int | Distribution | None]:
        totals = self._record.totals
        counters = {name: None if totals is None else totals.get(name, 0) for name in COUNTERS}
        beams = self._beam_distributions()
        distributions = {
            "word_length": None if totals is None else _over_lengths(_lengths(totals)),
            "block_bytes": beams.get("block_bytes"),
            "block_microseconds": beams.get("block_microseconds"),
        }
        if totals is not None:
            for name in (name for name, value in distributions.items() if value is None):
                self._unknown.setdefault(name, "the runner has told of none")
        return {**counters, **distributions}

    def _beam_distributions(self) -> dict[str, Distribution]:
        if self._record.result is None:
            return {}
        try:
            metrics = self._record.result.metrics()
            found = metrics.query(MetricsFilter().with_namespace(NAMESPACE))["distributions"]
            return _merged(found)
        except Exception as error:  # not every runner has them
            reason = f"{runner_name(self._options)} tells none ({one_line(error)})"
            self._unknown |= {"block_bytes": reason, "block_microseconds": reason}
            return {}

    def _dead_letters(self) -> DeadLetters:
        totals = self._record.totals
        causes = {
            name.removeprefix(CAUSE_PREFIX): number
            for name, number in sorted((totals or {}).items())
            if name.startswith(CAUSE_PREFIX)
        }
        number = None if totals is None else totals.get("dead_letters", 0)
        return DeadLetters(self._options.dead_letters, number, causes)

    def _result(self) -> dict[str, Any]:
        output, options = self._record.output, self._options
        if output is None:
            return {}
        paths = [
            atomic.shard_path(output, shard, options.num_shards)
            for shard in range(options.num_shards)
        ]
        try:
            return {
                "result": tuple(identify(path, path if options.output else None) for path in paths),
                "largest_classes": largest_classes(paths, options.output_format, LARGEST),
            }
        except Exception as error:  # each filesystem raises its own
            self._unknown["result"] = f"it cannot be read from here: {one_line(error)}"
            return {}


def one_line(error: BaseException) -> str:
    """What a user is told of `error`."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; nothing was published"
    return " ".join(str(error).split()) or type(error).__name__


def shown_options(options: PipelineOptions) -> dict[str, Any]:
    """The options of a run, ours with their defaults, without what is nobody's business."""
    given = options.get_all_options(drop_default=True)
    shown = {name: value for name, value in (defaults() | given).items() if value is not None}
    return {name: _shown(name, value) for name, value in sorted(shown.items())}


def _shown(name: str, value: Any) -> Any:
    if _SECRET.search(name):
        return "***"
    if isinstance(value, str) and len(value) > _LONGEST_OPTION:
        return f"{value[:_LONGEST_OPTION]}... ({len(value):,} characters)"
    return value


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds")


def _unidentified(options: AnagramOptions) -> DictionaryIdentity:
    return DictionaryIdentity(options.dictionary, options.normalization)


def _laws(totals: Mapping[str, int]) -> tuple[Law, ...]:
    return tuple(
        Law(str(law["law"]), int(law["left"]), int(law["right"]), law["left"] == law["right"])
        for law in conservation(totals)
    )


def _lengths(totals: Mapping[str, int]) -> tuple[LengthCount, ...]:
    counts = [
        LengthCount(int(name.removeprefix(LENGTH_PREFIX)), number)
        for name, number in totals.items()
        if name.startswith(LENGTH_PREFIX) and number
    ]
    return tuple(sorted(counts, key=lambda one: one.length))


def _over_lengths(lengths: tuple[LengthCount, ...]) -> Distribution | None:
    words = sum(one.words for one in lengths)
    if not words:
        return None
    letters = sum(one.length * one.words for one in lengths)
    return Distribution(words, lengths[0].length, letters / words, lengths[-1].length)


def _merged(found: list[Any]) -> dict[str, Distribution]:
    """A distribution of each step that has it -> one of each name."""
    results: dict[str, list[Any]] = {}
    for metric in found:
        if metric.result is not None and metric.result.count:
            results.setdefault(metric.key.metric.name, []).append(metric.result)
    return {
        name: Distribution(
            count := sum(one.count for one in all_of_it),
            min(one.min for one in all_of_it),
            sum(one.sum for one in all_of_it) / count,
            max(one.max for one in all_of_it),
        )
        for name, all_of_it in results.items()
    }
