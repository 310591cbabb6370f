"""One job, as its options say: input and dictionary -> the result at its place."""

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from beam_pipeline.errors import UsageError
from beam_pipeline.io import publishing
from beam_pipeline.io.dead_letters import SETTINGS, ReadDeadLetters, ReadPreviousCounts, shards_of
from beam_pipeline.io.inputs import expand_patterns
from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.sources import ReadFiles, ReadString
from beam_pipeline.options import AnagramOptions
from beam_pipeline.pipeline import build
from beam_pipeline.report.model import RunReport, write
from beam_pipeline.report.recorder import RunRecorder
from beam_pipeline.runners.names import is_in_process, threads_for
from beam_pipeline.runners.run import is_template, run_to_end
from transforms.dictionary import WORD_LISTS, DictionarySpec
from transforms.errors import AnagramError
from transforms.stages.chaos import Chaos
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.totals import SideOutputs


def run_job(options: AnagramOptions) -> RunReport:
    """Runs the job to its end; its result then stands at ``--output``, its report at ``--report``.

    Without an output path the result is written to standard output. A run that has failed leaves
    a report too.

    Raises:
      AnagramError: one line for the user; nothing has been published but the report, or the
        report cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="anagrams-") as scratch:
        record = RunRecorder(options, scratch)
        try:
            with record.recording():
                _run(options, scratch, record)
        except UsageError:
            raise
        except (AnagramError, KeyboardInterrupt) as error:
            if options.report is not None:
                with contextlib.suppress(AnagramError):  # what went wrong first is worse
                    write(record.report(error), options.report)
            raise
        report = record.report()
        if options.report is not None:
            write(report, options.report)
        return report


def _run(options: AnagramOptions, scratch: str, record: RunRecorder) -> None:
    with contextlib.ExitStack() as stack:
        if not is_in_process(options):
            from beam_pipeline.runners.prepare import (
                prepare,  # not all have time to load what it needs
            )

            prepare(options, scratch)
        output, token = options.output or str(Path(scratch, "result")), publishing.new_token()
        pipeline = _pipeline(options, scratch, output, token, record.gauge)
        for path in filter(None, (output, options.dead_letters)):
            stack.enter_context(publishing.output_lock(path, token))
        record.watch.mark_submitted()
        try:
            record.result = run_to_end(pipeline, options)
        except (AnagramError, KeyboardInterrupt) as error:
            record.totals = _finish(output, token, error)
        else:
            if is_template(options):
                return
            told = _told(output, token)
            if told is None:
                raise AnagramError(
                    f"--output={output}: the job is done, but its workers wrote to another "
                    f"machine's {output}; give a path that they share with this one"
                )
            record.totals = told["totals"]
        record.output = output
        if options.output is None:
            _copy_to_stdout(output)


def _finish(output: str, token: str, error: BaseException) -> dict[str, int]:
    """Publishes what a run that ended early had begun to publish -> the totals.

    Raises:
      BaseException: `error`, of a run that had not come so far or cannot be finished.
    """
    try:
        with publishing.publish_lock(output):
            if told := _told(output, token):
                for temporary, final in told["files"]:
                    publishing.replace(temporary, final)
                totals: dict[str, int] = told["totals"]
                return totals
            publishing.revoke(output, token)  # the job may still be working
    except Exception:  # each filesystem raises its own
        raise error from None
    raise error


def _told(output: str, token: str) -> dict[str, Any] | None:
    """What the workers have left beside the output, if anything: totals, the files published."""
    path = publishing.manifest_path(output, token)
    if not FileSystems.exists(path):
        return None
    with FileSystems.open(path) as told:
        left: dict[str, Any] = json.loads(told.read())
    return left


def _pipeline(
    options: AnagramOptions, scratch: str, output: str, token: str, gauge: str
) -> beam.Pipeline:
    dictionary, earlier = _dictionary(options), None
    side_outputs = SideOutputs()
    resilience = Resilience(
        options.max_attempts, options.on_error, Chaos.parse(options.chaos or "")
    )
    if options.merge:
        try:
            Retrier("read", resilience.without_chaos())(shards_of, options.merge)
        except AnagramError as error:
            raise UsageError(f"--merge={error}") from error
        except RetriesExhaustedError as error:
            raise UsageError(f"--merge={options.merge}: {error}") from error
    if options.merge or options.replay:
        earlier = ReadPreviousCounts(
            dictionary,
            options.merge or "",
            options.replay or "",
            resilience=resilience,
            side_outputs=side_outputs,
        )
    pipeline = beam.Pipeline(options=options)
    records = build(
        pipeline,
        _source(options, scratch, resilience, side_outputs, gauge),
        engine=options.engine,
        dictionary=dictionary,
        encoding_errors=options.encoding_errors,
        min_word_length=options.min_word_length,
        min_class_size=options.min_class_size,
        min_count=options.min_count,
        top=options.top,
        threads=threads_for(options),
        earlier=earlier,
        resilience=resilience,
        side_outputs=side_outputs,
    )
    records | "WriteResults" >> WriteResults(
        output,
        options.output_format,
        options.num_shards,
        options.dead_letters or "",
        {name: getattr(options, name) for name in SETTINGS},
        token,
        tell=True,
        resilience=resilience,
        side_outputs=side_outputs,
    )
    return pipeline


def _dictionary(options: AnagramOptions) -> DictionarySpec:
    dictionary = DictionarySpec(options.dictionary, options.normalization)
    if not dictionary.is_corpus and not set(dictionary.spec.split("+")) <= set(WORD_LISTS):
        try:
            dictionary.load()  # fails here rather than on a worker
        except AnagramError as error:
            raise UsageError(f"--dictionary={dictionary.spec}: {error}") from error
    return dictionary


def _source(
    options: AnagramOptions,
    scratch: str,
    resilience: Resilience,
    side_outputs: SideOutputs,
    gauge: str,
) -> beam.PTransform:
    if options.text is not None:
        return ReadString(options.text, resilience=resilience, side_outputs=side_outputs)
    settings: dict[str, Any] = {
        "encoding": options.encoding,
        "errors": options.encoding_errors,
        "normalization": options.normalization,
        "resilience": resilience,
        "side_outputs": side_outputs,
        "gauge": gauge,
        "spool": scratch,
    }
    if options.replay is not None:
        return ReadDeadLetters(path=options.replay, **settings)
    try:
        patterns = [
            found for pattern in options.input for found in expand_patterns(pattern, scratch)
        ]
    except AnagramError as error:
        raise UsageError(f"--input={error}") from error
    return ReadFiles(tuple(patterns), **settings)


def _copy_to_stdout(path: str) -> None:
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
