"""Runs one job as its options say, and tells in one line what went wrong."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from beam_pipeline.options import LOCAL_RUNNER, AnagramOptions, UsageError
from beam_pipeline.pipeline import build
from beam_pipeline.runners import execute, prepare
from beam_pipeline.sinks import WriteResult, discard_temporary
from beam_pipeline.sources import ReadFiles, ReadString, resolve
from transforms.dictionary import WORD_LISTS, DictionarySpec
from transforms.errors import AnagramError


@dataclass(frozen=True)
class Summary:
    """What a finished job can tell of itself. Times are in seconds."""

    runner: str
    seconds: float


def run_job(options: AnagramOptions) -> Summary:
    """Runs the job to its end; its result then stands at ``--output``.

    Without an output path the result is written to standard output.

    Raises:
      AnagramError: one line for the user; nothing has been published.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="anagrams-"))
        prepare(options, scratch)
        output = options.output or str(Path(scratch, "result"))
        sink = WriteResult(output, options.output_format, options.num_shards)
        stack.callback(discard_temporary, output, sink.token)
        _run(options, _source(options, scratch), sink)
        if options.output is None:
            _copy_to_stdout(output)
    return Summary(_runner_name(options), time.monotonic() - began)


def _run(options: AnagramOptions, source: beam.PTransform, sink: WriteResult) -> None:
    dictionary = DictionarySpec(options.dictionary, options.normalization)
    if not dictionary.is_corpus and not set(dictionary.spec.split("+")) <= set(WORD_LISTS):
        try:
            dictionary.load()  # fails here rather than on a worker
        except AnagramError as error:
            raise UsageError(f"--dictionary={dictionary.spec}: {error}") from error
    pipeline = beam.Pipeline(options=options)
    records = build(
        pipeline,
        source,
        engine=options.engine,
        dictionary=dictionary,
        encoding_errors=options.encoding_errors,
        min_word_length=options.min_word_length,
        min_class_size=options.min_class_size,
        min_count=options.min_count,
        top=options.top,
        threads=_threads(options),
    )
    records | "WriteResult" >> sink
    with contextlib.nullcontext() if options.verbose else _quiet_workers():
        try:
            execute(pipeline, options)
        except Exception as error:  # whatever runner, stage and worker may raise
            raise AnagramError(explain(error)) from error


@contextlib.contextmanager
def _quiet_workers() -> Iterator[None]:
    """Keeps what child processes print out of standard error; this process still has it.

    Beam's worker processes log there before they know the log level wanted of them.
    """
    real, shown = sys.stderr, os.dup(2)
    with open(os.devnull, "wb") as nowhere, open(shown, "w", buffering=1) as still_shown:
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = still_shown
        try:
            yield
        finally:
            os.dup2(shown, 2)
            sys.stderr = real


def _source(options: AnagramOptions, scratch: str) -> beam.PTransform:
    if options.text is not None:
        return ReadString(options.text)
    try:
        patterns = [found for pattern in options.input for found in resolve(pattern, scratch)]
    except AnagramError as error:
        raise UsageError(f"--input={error}") from error
    return ReadFiles(
        tuple(patterns),
        encoding=options.encoding,
        errors=options.encoding_errors,
        normalization=options.normalization,
    )


def _threads(options: AnagramOptions) -> int:
    """Cores for one worker: all of them where it is the only worker of this machine."""
    direct = options.view_as(DirectOptions)
    alone = _is_in_process(options) and direct.direct_running_mode == "in_memory"
    return _cores() if alone else 1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: those this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_in_process(options: AnagramOptions) -> bool:
    return bool(options.view_as(StandardOptions).runner == LOCAL_RUNNER)


def _runner_name(options: AnagramOptions) -> str:
    runner: str = options.view_as(StandardOptions).runner
    if not _is_in_process(options):
        return runner
    direct = options.view_as(DirectOptions)
    workers, threads = direct.direct_num_workers, _threads(options)
    unit, number = ("thread", threads) if threads > 1 else ("worker", workers)
    return f"{runner} ({direct.direct_running_mode}, {number} {unit}{'s' * (number > 1)})"


def _copy_to_stdout(path: str) -> None:
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def explain(error: BaseException) -> str:
    """An error of a pipeline run -> one line: the user's message if it has one, else the cause.

    Runners wrap a worker's error, or hand over its traceback as text.
    """
    lines = list(_lines(error))
    for line in lines:
        if found := _OURS.search(line):
            return _STAGE.sub("", found.group(1))
    causes = [line for line in lines if _CAUSE.match(line)]
    return causes[-1] if causes else f"{type(error).__name__}: {lines[0] if lines else ''}"


_OURS = re.compile(r"transforms\.errors\.AnagramError: (.*)")
_STAGE = re.compile(r" \[while running .*\]$")
_CAUSE = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b: .")


def _lines(error: BaseException) -> Iterator[str]:
    seen: BaseException | None = error
    while seen is not None:
        name = f"{type(seen).__module__}.{type(seen).__qualname__}"
        yield from f"{name}: {seen}".splitlines()
        seen = seen.__cause__ or seen.__context__
