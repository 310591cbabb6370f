"""Runs a pipeline on the runner its options name, and tells in one line what went wrong."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineResult
from apache_beam.runners.worker import sdk_worker, statesampler

from beam_pipeline.cli.parsing import LOCAL_RUNNER
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.cancelling import cancelled_if_interrupted
from beam_pipeline.runners.shutdown import fail_on_worker_death, keep_sigint_handler
from transforms.dictionary import NO_DICTIONARY
from transforms.errors import AnagramError

_SAMPLING_MILLISECONDS = 10


def run_to_end(pipeline: beam.Pipeline, options: AnagramOptions) -> PipelineResult:
    """Runs `pipeline` to its end, quietly unless ``--verbose`` -> its runner's result.

    A pipeline that is only to be written down as a template is not run.

    Raises:
      AnagramError: it has failed; one line for the user.
    """
    _sample_often()
    quiet = contextlib.nullcontext() if options.verbose else _quiet_workers()
    with quiet, fail_on_worker_death(verbose=options.verbose):
        try:
            with keep_sigint_handler():
                result = pipeline.run()
            if not is_template(options):
                with cancelled_if_interrupted(result, options):
                    result.wait_until_finish()
            return result
        except Exception as error:  # whatever runner, stage and worker may raise
            raise AnagramError(explain(error)) from error


def is_template(options: AnagramOptions) -> bool:
    """Whether the job is only written down, for Dataflow to run later."""
    return bool(options.view_as(GoogleCloudOptions).template_location)


def _sample_often() -> None:
    """Spares a worker in this process a wait of up to a fifth of a second behind each bundle.

    It waits there for a thread to wake up that looks, now and then, which step is being worked at.
    """
    statesampler.StateSampler.__init__.__defaults__ = (_SAMPLING_MILLISECONDS,)


@contextlib.contextmanager
def _quiet_workers() -> Iterator[None]:
    """Keeps what child processes print out of standard error; this process still has it.

    Beam's worker processes log there before they know the log level wanted of them, and a worker
    in this process prints tracebacks beside reporting them.
    """
    sdk_worker.print = _print_nothing  # for good: such a worker's threads may outlive the job
    real, shown = sys.stderr, os.dup(2)
    with open(os.devnull, "wb") as nowhere, open(shown, "w", buffering=1) as still_shown:
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = still_shown
        try:
            yield
        finally:
            os.dup2(shown, 2)
            sys.stderr = real


def _print_nothing(*_: Any, **__: Any) -> None:
    pass


def threads_for(options: AnagramOptions) -> int:
    """Cores for one worker: all, where it is this machine's only one and has use for them."""
    direct = options.view_as(DirectOptions)
    alone = is_in_process(options) and direct.direct_running_mode == "in_memory"
    tallies = options.engine == "vectorized" and options.dictionary != NO_DICTIONARY
    return _cores() if alone and tallies else 1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: those this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_in_process(options: AnagramOptions) -> bool:
    """Whether Beam's own runner, in this process or its children, runs the job."""
    return bool(options.view_as(StandardOptions).runner == LOCAL_RUNNER)


def runner_name(options: AnagramOptions) -> str:
    """The runner, and on this machine what it runs in."""
    runner: str = options.view_as(StandardOptions).runner
    if not is_in_process(options):
        return runner
    direct = options.view_as(DirectOptions)
    workers, threads = direct.direct_num_workers, threads_for(options)
    unit, number = ("thread", threads) if threads > 1 else ("worker", workers)
    return f"{runner} ({direct.direct_running_mode}, {number} {unit}{'s' * (number > 1)})"


def explain(error: BaseException) -> str:
    """An error of a pipeline run -> one line: the user's message if it has one, else the cause.

    Runners wrap a worker's error, or hand over its traceback as text.
    """
    lines = list(_lines(error))
    for line in lines:
        if found := _OURS.search(line):
            return _STAGE.sub("", found.group(1))
    causes = [_JOB.sub("the job has failed: ", line) for line in lines if _CAUSE.match(line)]
    return causes[-1] if causes else f"{type(error).__name__}: {lines[0] if lines else ''}"


_OURS = re.compile(r"(?:transforms|beam_pipeline)\.errors\.\w+Error: (.*)")
_STAGE = re.compile(r" \[while running .*\]$")
_JOB = re.compile(r"^builtins\.RuntimeError: Pipeline \S+ failed in state \w+: ")
_CAUSE = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b: .")


def _lines(error: BaseException) -> Iterator[str]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:  # a chain of causes may be a ring
        seen.add(id(link))
        name = f"{type(link).__module__}.{type(link).__qualname__}"
        yield from f"{name}: {link}".splitlines()
        link = link.__cause__ or link.__context__
