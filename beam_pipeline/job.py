"""Runs one job, as its options say, from its input and dictionary to the published result."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam

from beam_pipeline import interruption
from beam_pipeline.errors import DeadLettersError, OutputError, PreviousResultError, UsageError
from beam_pipeline.io import publishing
from beam_pipeline.io.dead_letters import ReadDeadLetters, groups_of_dead_letters
from beam_pipeline.io.file_groups import ByFile, FileNames, prefix_of
from beam_pipeline.io.inputs import ALLOW, STDIN, Listing, list_files, resolve_input
from beam_pipeline.io.naming import new_token
from beam_pipeline.io.pipes import copy_of_pipe
from beam_pipeline.io.previous_results import ReadPreviousCounts, check_result, size_of_result
from beam_pipeline.io.shared_view import InputSize
from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.sources import ReadFiles, ReadString
from beam_pipeline.options import SETTINGS_OF_DEAD_LETTERS, AnagramOptions
from beam_pipeline.pipeline import StageSettings, build
from beam_pipeline.report.model import RunReport
from beam_pipeline.report.recorder import RunRecorder
from beam_pipeline.report.write import write_all
from beam_pipeline.runners.names import is_in_process, threads_for
from beam_pipeline.runners.run import is_template, run_to_end
from beam_pipeline.standard_streams import print_message, write_stdout
from beam_pipeline.telemetry.run_info import RunInfo
from beam_pipeline.telemetry.sending import Telemetry
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

    Without an output path the result is written to standard output. A run that has failed leaves
    a report too.

    Args:
      options: complete ones, see `beam_pipeline.cli.completion`.
      began: when the run began, in seconds since the epoch; by default now.
      notify: called with lines for the user that are no errors.

    Returns:
      The report.

    Raises:
      AnagramError: one line for the user; nothing has been published but the report, or the
        report cannot be written.
    """
    with interruption.scope() as stack:
        stack.enter_context(only_run())
        scratch = stack.enter_context(scratch_folder())
        recorder = RunRecorder(options, scratch, began)
        observers = _Observers(options, notify)
        with interruption.scope() as running:
            running.enter_context(_failure_reported(recorder, observers))
            running.enter_context(recorder.recording())
            running.enter_context(applying(Resilience(options.max_attempts)))
            _run(options, scratch, recorder, running, observers, notify)
        report = recorder.report()
        observers.tell(report)
        return report


class _Observers:
    """Whoever is told about a run: readers of its reports, and collectors, if any are wanted.

    Args:
      options: of the run.
      notify: called with a line for the user about each collector that was not told.
    """

    def __init__(self, options: AnagramOptions, notify: Callable[[str], None]):
        self._options = options
        self._dictionary: DictionarySpec | None = None
        self._telemetry = Telemetry(options.telemetry, notify)

    def start(self, dictionary: DictionarySpec) -> None:
        """Tells that the run begins."""
        self._dictionary = dictionary
        self._telemetry.start(self._info())

    def tell(self, report: RunReport, *, is_interrupted: bool = False) -> None:
        """Tells what the run did.

        Raises:
          ReportError: a report cannot be written; collectors have been told nevertheless.
        """
        try:
            write_all(report, self._options.report)
        finally:
            self._telemetry.end(report, self._info(), is_interrupted=is_interrupted)

    def _info(self) -> RunInfo:
        return RunInfo.of(self._options, self._dictionary)


_RUNNING = threading.Lock()


@contextlib.contextmanager
def only_run() -> Iterator[None]:
    """Makes sure that no other run goes on in this process inside the ``with`` block.

    A run changes what belongs to the whole process, such as its folder for temporary files.

    Raises:
      AnagramError: another one goes on.
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
def scratch_folder() -> Iterator[str]:
    """Yields a folder for what lasts no longer than a run.

    Meanwhile everything that Beam or another library puts into a temporary folder goes there.

    Raises:
      AnagramError: there is no room for it.
    """
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    try:
        folder = tempfile.TemporaryDirectory(prefix="anagrams-", ignore_cleanup_errors=True)
    except OSError as error:
        reason = error.strerror or error
        raise AnagramError(f"no temporary folder can be made ({reason}); set TMPDIR") from error
    with folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder.name
        try:
            yield folder.name
        finally:
            tempfile.tempdir, variable = before
            if variable is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = variable


@contextlib.contextmanager
def _failure_reported(recorder: RunRecorder, observers: _Observers) -> Iterator[None]:
    """Tells observers of a run that fails or is interrupted inside the ``with`` block."""
    try:
        yield
    except UsageError:
        raise
    except (AnagramError, KeyboardInterrupt) as error:
        with contextlib.suppress(AnagramError):  # the first error is the worse one
            is_interrupted = isinstance(error, KeyboardInterrupt)
            observers.tell(recorder.report(error), is_interrupted=is_interrupted)
        raise


def _run(
    options: AnagramOptions,
    scratch: str,
    recorder: RunRecorder,
    stack: contextlib.ExitStack,
    observers: _Observers,
    notify: Callable[[str], None],
) -> None:
    if not is_in_process(options):
        # Imported only here, as it takes a while to load.
        from beam_pipeline.runners.prepare import prepare

        prepare(options, scratch)
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
    recorder.mark_submitted()
    observers.start(builder.dictionary)
    try:
        recorder.record_result(run_to_end(pipeline, options))
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
    """Returns an error that calls copies of pipes by the `source_names` that the user gave."""
    message = str(error)
    for path, name in source_names.items():
        message = message.replace(path, name)
    return error if message == str(error) else type(error)(message)


def _as_seen(error: BaseException, output: str, options: AnagramOptions) -> BaseException:
    """Returns an error for users, who do not know where a result is before it is printed."""
    if options.output is not None or not isinstance(error, OutputError):
        return error
    reason = str(error).removeprefix(f"{output}: ")
    folder = Path(output).parent.parent
    return AnagramError(f"{folder}: the result, to be printed, {reason}; set TMPDIR")


def _committed(output: str, token: str) -> publishing.Manifest:
    """Returns the manifest of a run that has ended well.

    Raises:
      OutputError: there is none on this machine.
    """
    manifest = publishing.Manifest.read(output, token)
    if manifest is None:
        raise OutputError(
            f"{output}: the job is done, but its workers wrote to another machine's {output}; "
            "give a path that they share with this one"
        )
    return manifest


def _finish(output: str, token: str, error: BaseException) -> publishing.Manifest:
    """Publishes what a run that ended early has committed to, and returns its manifest.

    Raises:
      BaseException: `error`, of a run that had not come so far or cannot be finished.
    """
    try:
        manifest = publishing.finish(output, token)
    except Exception:  # each filesystem raises its own
        raise error from None
    if manifest is None:
        raise error
    return manifest


def load_dictionary(options: AnagramOptions, scratch: str) -> DictionarySpec:
    """Returns the dictionary that the options name, which can be read.

    Args:
      options: of the run.
      scratch: a folder that lasts as long as the run, for copies of pipes.

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
    """Returns how the options say that bytes become words."""
    return TextSettings(options.normalization, options.encoding_errors, options.punctuation)


def stage_settings(options: AnagramOptions, side_outputs: SideOutputs) -> StageSettings:
    """Returns what the options say to all stages."""
    chaos = Chaos.parse(options.chaos or "")
    return {
        "resilience": Resilience(options.max_attempts, options.on_error, chaos),
        "side_outputs": side_outputs,
    }


def counting_settings(options: AnagramOptions) -> dict[str, Any]:
    """Returns what the options say to `CountAnagrams`, besides the dictionary."""
    names = (
        *("engine", "punctuation", "encoding_errors"),
        *("min_word_length", "min_class_size", "min_count", "top"),
    )
    return {name: getattr(options, name) for name in names} | {"threads": threads_for(options)}


def new_pipeline(options: AnagramOptions) -> beam.Pipeline:
    """Returns an empty pipeline.

    Raises:
      UsageError: the value of an option of Beam's own is not possible.
    """
    try:
        return beam.Pipeline(options=options)
    except (ImportError, ValueError) as error:
        raise UsageError(str(error).rstrip(".")) from error


class _Pipeline:
    """Builds the pipeline that the options describe.

    Args:
      options: of the run.
      scratch: a folder that lasts as long as the run.
      progress_folder: where readers write how far they are.
      side_outputs: where all stages' totals and dead letters go.
      source_names: what the user calls the inputs, by the paths that workers are given for them;
        to be filled in for copies of pipes.
      notify: called with lines for the user that are no errors.

    Attributes:
      dictionary: whose words are counted.

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
            # One by one: joined by plus signs, they could not be told from those in folders' names.
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
            # Reading it will say why.
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
        """Returns what workers must find, where `found` is what is here; a template runs later."""
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
        return ReadFiles(tuple(patterns), matched=self._expected(listing.total), **settings)
