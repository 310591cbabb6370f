"""Runs a pipeline on the runner that its options name, and explains its failure in one line."""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import beam_internals, worker
from beam_pipeline.runners.cancelling import cancelled_if_interrupted
from beam_pipeline.runners.names import is_in_process
from beam_pipeline.runners.shutdown import fail_on_worker_death
from transforms.errors import AnagramError
from transforms.stages.retry import describe


def run_to_end(pipeline: beam.Pipeline, options: AnagramOptions) -> PipelineResult:
    """Runs `pipeline` to its end; a pipeline that only becomes a template is not run.

    Unless the options say ``verbose``, nothing that Beam prints or logs reaches standard error.
    For that, and to notice the death of a worker, standard error and a few hooks of this process
    are replaced while the pipeline runs, and restored afterwards: a process should run one
    pipeline at a time.

    Returns:
      The runner's result.

    Raises:
      AnagramError: the run has failed. The type and the message are those of the error that a
        worker raised, if it is one for the user.
    """
    with interruption.scope() as stack:
        if not is_in_process(options):  # loading them takes a while
            stack.callback(beam_internals.stop_job_servers())
        stack.callback(beam_internals.use_own_worker_program(worker.command()))
        stack.callback(beam_internals.sample_states_often())
        if not options.verbose:
            stack.callback(beam_internals.silence_worker_tracebacks())
            stack.callback(beam_internals.silence_prism_log())
        if not options.verbose or options.log_format == "json":
            stack.enter_context(_silent_children())
        jobs: list[PipelineResult] = []

        def run() -> None:
            jobs.append(pipeline.run())
            if not is_template(options):
                jobs[0].wait_until_finish()

        command = interruption.Command(run)
        stack.enter_context(fail_on_worker_death(command, verbose=options.verbose))
        stack.enter_context(cancelled_if_interrupted(jobs, options))
        try:
            command.run()
            return jobs[0]
        except Exception as error:  # whatever a runner, stage or worker may raise
            raise explain(error) from error


def is_template(options: AnagramOptions) -> bool:
    """Returns whether the job is only written down, for Dataflow to run later."""
    return bool(options.view_as(GoogleCloudOptions).template_location)


@contextlib.contextmanager
def _silent_children() -> Iterator[None]:
    """Within, child processes have no standard error; this process still has it.

    Beam's worker processes log there before they learn which log level is wanted.
    """
    original, duplicate = sys.stderr, os.dup(2)
    with (
        open(os.devnull, "wb") as null,
        open(duplicate, "w", 1, encoding="utf-8", errors="backslashreplace") as still_shown,
    ):
        log_handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is original
        ]
        os.dup2(null.fileno(), 2)
        if _is_standard_error(original):  # and no notebook's
            sys.stderr = still_shown
            for handler in log_handlers:
                handler.setStream(still_shown)
        try:
            yield
        finally:
            os.dup2(duplicate, 2)
            sys.stderr = original
            for handler in log_handlers:
                handler.setStream(original)


def _is_standard_error(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False


def explain(error: BaseException) -> AnagramError:
    """Returns the error for the user that is behind an error of a runner.

    The error of a worker reaches this process as the text of a traceback, often inside an error of
    the runner's own. The name of its type is looked for in that text.

    Args:
      error: what the runner has raised.

    Returns:
      The error that a worker raised, of the same type (`AnagramError` or derived from it) and with
      the same message. Where there is none, an `AnagramError` that names the last cause.
    """
    types = _user_errors()
    of_user = re.compile(rf"({'|'.join(map(re.escape, types))}): (.*)")
    causes: list[str] = []
    for link in _chain(error):
        lines = f"{_full_name(type(link))}: {link}".splitlines()
        if found := [match for line in lines if (match := of_user.search(line))]:
            name, message = found[-1].groups()  # raised last: it knows more than what caused it
            return types[name](beam_internals.without_step(message))
        causes += [line for line in lines if _CAUSE.match(line)]
    return AnagramError(_shortened(causes[-1]) if causes else describe(error))


_CAUSE = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b: .")


def _shortened(cause: str) -> str:
    """Returns the line of a traceback that names a cause, without a job's number and state."""
    reason = beam_internals.job_failure(cause.partition(": ")[2])
    return cause if reason is None else f"the job has failed: {reason}"


def _user_errors() -> dict[str, type[AnagramError]]:
    """Returns the types of errors for the user, by their names in a traceback."""
    found: dict[str, type[AnagramError]] = {}
    pending = [AnagramError]
    while pending:
        error_type = pending.pop()
        found[_full_name(error_type)] = error_type
        pending += error_type.__subclasses__()
    return found


def _full_name(error_type: type[BaseException]) -> str:
    return f"{error_type.__module__}.{error_type.__qualname__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields `error`, its cause, the cause of that, and so on."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:  # a chain of causes may be a ring
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
