"""Runs one job as its options describe it, from its input to the published result."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from beam_pipeline import interruption
from beam_pipeline.errors import (
    DeadLettersError,
    OutputError,
    PreviousResultError,
    ReportError,
    UsageError,
)
from beam_pipeline.io import publishing
from beam_pipeline.io.dead_letters import ReadDeadLetters, groups_of_dead_letters
from beam_pipeline.io.file_groups import ByFile, FileNames, prefix_of
from beam_pipeline.io.inputs import ALLOW, STDIN, Listing, hand_over, list_files, resolve_input
from beam_pipeline.io.naming import new_token
from beam_pipeline.io.pipes import copy_of_pipe
from beam_pipeline.io.previous_results import ReadPreviousCounts, check_result, size_of_result
from beam_pipeline.io.scratch import scratch_folder
from beam_pipeline.io.shared_view import InputSize
from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.sources import ReadFiles, ReadString
from beam_pipeline.options import SETTINGS_OF_DEAD_LETTERS, AnagramOptions
from beam_pipeline.pipeline import StageSettings, build
from beam_pipeline.report.model import RunReport
from beam_pipeline.report.recorder import RunRecorder
from beam_pipeline.report.write import write_all
from beam_pipeline.runners.names import (
    counts_in_this_process,
    is_in_process,
    receives_each_element_once,
    threads_for,
)
from beam_pipeline.runners.run import is_template, run_to_end
from beam_pipeline.standard_streams import print_message, write_stdout
from beam_pipeline.telemetry.run_info import RunInfo
from beam_pipeline.telemetry.sending import Telemetry
from transforms.columns.passing import within_one_process
from transforms.dictionary import DictionarySpec
from transforms.errors import AnagramError, DictionaryError, InputError
from transforms.files.schemes import is_local
from transforms.stages.chaos import Chaos
from transforms.stages.retry import (
    Resilience,
    Retrier,
    RetriesExhaustedError,
    applying,
    describe,
)
from transforms.stages.side_outputs import SideOutputs
from transforms.text.settings import TextSettings


def run_job(
    options: AnagramOptions,
    began: float | None = None,
    notify: Callable[[str], None] = print_message,
) -> RunReport:
    """Runs the job to its end, and writes its result and its report.

    Without an output path the result is written to standard output. A run that fails also writes
    its report.

    Args:
      options: complete options, see `beam_pipeline.cli.completion`.
      began: when the run began, in seconds since the epoch; by default now.
      notify: called with messages for the user that are not errors.

    Returns:
      The report.

    Raises:
      AnagramError: its message is for the user. Either the run failed, and nothing but the report
        has been published, or the report cannot be written.
    """
    return recorded(options, began, notify, _run)


class Observers:
    """The report files and telemetry collectors that a run reports to, if there are any.

    Args:
      options: the options of the run.
      notify: called with a message for the user about each collector that could not be reached.
    """

    def __init__(self, options: AnagramOptions, notify: Callable[[str], None]):
        self._options = options
        self._dictionary: DictionarySpec | None = None
        self._telemetry = Telemetry(options.telemetry, notify)

    def start(self, dictionary: DictionarySpec) -> None:
        """Reports to collectors that the run begins."""
        self._dictionary = dictionary
        self._telemetry.start(self._info())

    def tell(self, report: RunReport, *, is_interrupted: bool = False) -> None:
        """Writes the reports of the run, and sends them to collectors.

        Raises:
          ReportError: a report cannot be written; it has been sent to collectors nevertheless.
        """
        try:
            write_all(report, self._options.report)
        except ReportError as error:
            if report.status != "done" or is_template(self._options):
                raise
            raise ReportError(f"{error}; {interruption.PUBLISHED}") from error
        finally:
            self._telemetry.end(report, self._info(), is_interrupted=is_interrupted)

    def _info(self) -> RunInfo:
        return RunInfo.of(self._options, self._dictionary)


class Run(NamedTuple):
    """One execution of the program in progress.

    Attributes:
      options: complete options.
      scratch: a temporary folder, removed at the end of the run.
      recorder: records what the report needs.
      observers: are told when the run begins.
      notify: called with messages for the user that are not errors.
      stack: contexts that are left before the report is made.
    """

    options: AnagramOptions
    scratch: str
    recorder: RunRecorder
    observers: Observers
    notify: Callable[[str], None]
    stack: contextlib.ExitStack


def recorded(
    options: AnagramOptions,
    began: float | None,
    notify: Callable[[str], None],
    execute: Callable[[Run], None],
    line_of: Callable[[str, int], str] | None = None,
) -> RunReport:
    """Executes a run as `run_job` does, and reports what it did to its observers, even on failure.

    Args:
      options, began, notify: see `run_job`.
      execute: does the work; called when the runner is prepared.
      line_of: makes the progress line, from the folder with the readers' progress and a width in
        columns; None for the line of a run over files.
    """
    with interruption.scope() as whole:
        whole.enter_context(only_run())
        whole.enter_context(applying(Resilience(options.max_attempts)))
        scratch = whole.enter_context(scratch_folder())
        recorder = RunRecorder(options, scratch, began)
        observers = Observers(options, notify)
        line = line_of and functools.partial(line_of, recorder.progress_folder)
        with interruption.scope() as stack:
            stack.enter_context(failure_reported(recorder, observers))
            stack.enter_context(recorder.recording(line))
            if not is_in_process(options):
                from beam_pipeline.runners.prepare import prepare  # takes a while to load

                prepare(options, scratch)
            execute(Run(options, scratch, recorder, observers, notify, stack))
        report = recorder.report()
        observers.tell(report)
        return report


_RUNNING = threading.Lock()


@contextlib.contextmanager
def only_run() -> Iterator[None]:
    """Ensures that no other run executes in this process inside the ``with`` block.

    A run changes global state of the process, such as its folder for temporary files.

    Raises:
      AnagramError: another run is executing.
    """
    if not _RUNNING.acquire(blocking=False):
        raise AnagramError(
            "another run is going on in this process; run one after the other, or each in a "
            "process of its own"
        )
    try:
        yield
    finally:
        _RUNNING.release()


@contextlib.contextmanager
def failure_reported(recorder: RunRecorder, observers: Observers) -> Iterator[None]:
    """Reports to observers if the run fails or is interrupted inside the ``with`` block."""
    try:
        yield
    except UsageError:
        raise
    except (AnagramError, KeyboardInterrupt) as error:
        with contextlib.suppress(AnagramError):  # the first error is the more important one
            is_interrupted = isinstance(error, KeyboardInterrupt)
            observers.tell(recorder.report(error), is_interrupted=is_interrupted)
        raise


def _run(run: Run) -> None:
    options, scratch, recorder, observers, notify, stack = run
    source_names: dict[str, str] = {}
    output, token = options.output or str(Path(scratch, "result")), new_token()
    side_outputs = SideOutputs()
    builder = _Pipeline(
        options, scratch, recorder.progress_folder, side_outputs, source_names, notify
    )
    recorder.record_dictionary(builder.dictionary)
    pipeline = builder.to_file(output, token)
    stack.enter_context(publishing.output_lock(output, token))
    if options.dead_letters:
        try:
            stack.enter_context(publishing.output_lock(options.dead_letters, token))
        except OutputError as error:
            raise DeadLettersError(str(error)) from error
    stack.enter_context(_finished_if_interrupted(output, token, options))
    if receives_each_element_once(options):
        stack.enter_context(within_one_process())
    recorder.mark_submitted()
    observers.start(builder.dictionary)
    try:
        recorder.record_result(run_to_end(pipeline, options, notify))
    except AnagramError as error:
        shown = _as_seen(_with_names(error, source_names), output, options)
        manifest = _finish(output, token, shown)
    else:
        if is_template(options):
            return
        manifest = _committed(output, token)
    recorder.record_totals(manifest.totals, side_outputs.measured)
    recorder.record_output(output)
    if options.output is None:
        recorder.end_progress()
        interruption.set_outcome(interruption.PRINTING)
        with open(output, "rb") as file:
            write_stdout(file)
    interruption.set_outcome(interruption.PUBLISHED)


@contextlib.contextmanager
def _finished_if_interrupted(output: str, token: str, options: AnagramOptions) -> Iterator[None]:
    """An interrupt inside the ``with`` block finishes a publication that the run had begun."""
    try:
        yield
    except KeyboardInterrupt:
        try:
            manifest = publishing.finish(output, token)
        except Exception as error:  # each filesystem raises its own
            if options.output is not None:
                interruption.set_outcome(f"whether the result was published is unknown ({error})")
        else:
            if manifest is not None and options.output is not None:
                interruption.set_outcome(interruption.PUBLISHED)
        raise


def _with_names(error: BaseException, source_names: Mapping[str, str]) -> BaseException:
    """Returns an error in which paths of copies of pipes are replaced by the user's names."""
    message = str(error)
    for path, name in source_names.items():
        message = message.replace(path, name)
    return error if message == str(error) else type(error)(message)


def _as_seen(error: BaseException, output: str, options: AnagramOptions) -> BaseException:
    """Returns an error without the temporary path of a result that is to be printed."""
    if options.output is not None or not isinstance(error, OutputError):
        return error
    reason = str(error).removeprefix(f"{output}: ")
    folder = Path(output).parent.parent
    return AnagramError(f"{folder}: the result, to be printed, {reason}; set TMPDIR")


def _committed(output: str, token: str) -> publishing.Manifest:
    """Returns the manifest of a run that has succeeded.

    Raises:
      OutputError: there is no manifest on this machine.
    """
    manifest = publishing.Manifest.read(output, token)
    if manifest is None:
        raise OutputError(
            f"{output}: the job is done, but its workers wrote to another machine's {output}; "
            "give a path that they share with this one"
        )
    return manifest


def _finish(output: str, token: str, error: BaseException) -> publishing.Manifest:
    """Finishes the publication of a run that ended early, and returns its manifest.

    Raises:
      BaseException: `error`, if the run had not begun to publish, or cannot be finished.
    """
    try:
        manifest = publishing.finish(output, token)
    except Exception:  # each filesystem raises its own
        raise error from None
    if manifest is None:
        raise error
    return manifest


def load_dictionary(options: AnagramOptions, scratch: str) -> DictionarySpec:
    """Returns the dictionary that the options name, after reading it.

    Args:
      options: the options of the run.
      scratch: the temporary folder of the run, for copies of pipes.

    Raises:
      UsageError: it cannot be read, or has no usable word.
    """
    try:
        return DictionarySpec.union(
            options.dictionary,
            options.normalization,
            encoding=options.dictionary_encoding,
            locate=lambda path: copy_of_pipe(path, scratch),
        ).pinned()  # a file that cannot be read fails here rather than on a worker
    except DictionaryError as error:
        raise UsageError(str(error)) from error


def text_settings(options: AnagramOptions) -> TextSettings:
    """Returns the settings that decide how bytes become words."""
    return TextSettings(options.normalization, options.encoding_errors, options.punctuation)


def stage_settings(options: AnagramOptions, side_outputs: SideOutputs) -> StageSettings:
    """Returns the settings of all stages."""
    chaos = Chaos.parse(options.chaos or "")
    return {
        "resilience": Resilience(options.max_attempts, options.on_error, chaos),
        "side_outputs": side_outputs,
    }


def counting_settings(options: AnagramOptions) -> dict[str, Any]:
    """Returns the settings of `CountAnagrams`, except the dictionary."""
    names = (
        *("engine", "punctuation", "encoding_errors"),
        *("min_word_length", "min_class_size", "min_count", "top"),
    )
    return {name: getattr(options, name) for name in names} | {"threads": threads_for(options)}


def new_pipeline(options: AnagramOptions) -> beam.Pipeline:
    """Returns an empty pipeline.

    Raises:
      UsageError: an option of Beam has an invalid value.
    """
    try:
        return beam.Pipeline(options=options)
    except (ImportError, ValueError) as error:
        raise UsageError(str(error).rstrip(".")) from error


class _Pipeline:
    """Builds the pipeline that the options describe.

    Args:
      options: the options of the run.
      scratch: the temporary folder of the run.
      progress_folder: the folder to which readers write their progress.
      side_outputs: collects the totals and dead letters of all stages.
      source_names: the user's names of inputs, by the paths that workers read; the pipeline adds
        those of copies of pipes.
      notify: called with messages for the user that are not errors.

    Attributes:
      dictionary: the dictionary, which has been read.

    Raises:
      UsageError: the dictionary cannot be read, or has no usable word.
    """

    def __init__(
        self,
        options: AnagramOptions,
        scratch: str,
        progress_folder: str,
        side_outputs: SideOutputs,
        source_names: dict[str, str],
        notify: Callable[[str], None],
    ):
        self._options = options
        self._notify = notify
        self._scratch = scratch
        self._progress_folder = progress_folder
        self._source_names = source_names
        self._prefixes: list[tuple[str, str]] = []
        self._text = text_settings(options)
        self._stage = stage_settings(options, side_outputs)
        self.dictionary = load_dictionary(options, scratch)

    def to_file(self, output: str, token: str) -> beam.Pipeline:
        """Returns the pipeline that writes the result of the run with this token to `output`."""
        options = self._options
        previous = self._previous()
        source = self._source()
        pipeline = new_pipeline(options)
        per_group = options.group_by == "file"
        names = FileNames(self._source_names, tuple(self._prefixes))
        records = build(
            pipeline,
            ByFile(source, names) if per_group else source,
            dictionary=self.dictionary,
            **counting_settings(options),
            previous=previous,
            per_group=per_group,
            as_columns=True,
            **self._stage,
        )
        records | "WriteResults" >> WriteResults(
            output,
            options.output_format,
            options.num_shards,
            options.dead_letters or "",
            self._recorded_settings(),
            token,
            has_client=True,
            threads=threads_for(options),
            sort=options.sort,
            reports_lineage=options.output is not None,  # else it is printed
            source_names=self._source_names,
            file_groups=names if per_group else None,
            **self._stage,
        )
        return pipeline

    def _recorded_settings(self) -> dict[str, Any]:
        """Returns the settings for dead letters, which may be replayed in another folder."""
        settings = {name: getattr(self._options, name) for name in SETTINGS_OF_DEAD_LETTERS}
        if self._options.group_by is None:
            del settings["group_by"]
        if sources := self.dictionary.sources:
            # As a list: joined by plus signs, they would be ambiguous if a path has a plus sign.
            settings["dictionary"] = [
                os.path.abspath(source.name)
                if source.is_file and is_local(source.name)
                else source.name
                for source in sources
            ]
        return settings

    def _previous(self) -> beam.PTransform[Any, Any] | None:
        merge, replay = self._options.merge, self._options.replay
        if not merge and not replay:
            return None
        result, matched = "", None
        if merge:
            # Reading it raises an error that says why.
            with contextlib.suppress(OSError, OutputError, RetriesExhaustedError):
                publishing.recover(merge, is_only_read=True)
            try:
                result = copy_of_pipe(merge, self._scratch)
                retrier = Retrier("read", self._stage["resilience"].without_chaos())
                per_group = self._options.group_by is not None
                doubt = check_result(
                    result, self.dictionary, retrier, name=merge, per_group=per_group
                )
                if doubt is not None:
                    self._notify(doubt)
                matched = self._expected(size_of_result(result, retrier))
            except PreviousResultError as error:
                raise UsageError(str(error)) from error
            except OSError as error:
                message = f"cannot be read ({describe(error)})"
                raise UsageError(message, setting="merge", value=merge) from error
        return ReadPreviousCounts(
            dictionary=self.dictionary,
            result=result,
            dead_letters=replay or "",
            per_group=self._options.group_by is not None,
            min_word_length=self._options.min_word_length,
            matched=matched,
            **self._stage,
        )

    def _expected(self, found: InputSize) -> InputSize | None:
        """Returns the size of the input that workers must find: `found`, or None for a template.

        The input of a template may change before the job runs.
        """
        return None if is_template(self._options) else found

    def _source(self) -> beam.PTransform[Any, Any]:
        options = self._options
        if options.text is not None:
            return ReadString(options.text, **self._stage)
        settings: dict[str, Any] = {
            "encoding": options.encoding,
            "text": self._text,
            "spool_folder": self._scratch,
            "progress_folder": self._progress_folder,
            **self._stage,
        }
        if options.replay is not None:
            matched = self._expected(list_files([options.replay], ALLOW).total)
            if options.group_by is not None:
                self._source_names.update(groups_of_dead_letters(options.replay))
            return ReadDeadLetters(path=options.replay, matched=matched, **settings)
        listing = Listing()
        try:
            patterns = [resolve_input(given, self._scratch, listing) for given in options.input]
        except InputError as error:
            raise UsageError(str(error)) from error
        for given, path in zip(options.input, patterns, strict=True):
            if path.startswith(self._scratch):
                self._source_names[path] = "standard input" if given == STDIN else given
            else:
                self._prefixes.append(prefix_of(given, path))
        return ReadFiles(
            tuple(patterns),
            matched=self._expected(listing.total),
            listed=hand_over(listing) if counts_in_this_process(options) else "",
            **settings,
        )
