"""Runs a pipeline on the runner that its options name, to its end."""

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import TextIO

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, GoogleCloudOptions
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import beam_internals, worker
from beam_pipeline.runners.cancelling import cancelled_if_given_up
from beam_pipeline.runners.explaining import explain
from beam_pipeline.runners.flink_rest import flink_job
from beam_pipeline.runners.names import is_in_process, is_local, runner_name
from beam_pipeline.runners.own_servers import OwnServers, own_servers_at_loopback
from beam_pipeline.runners.shutdown import fail_on_worker_death
from beam_pipeline.runners.watching import fail_with_job, last_failure
from beam_pipeline.runners.worker_options import RemoteWorkerOptions
from beam_pipeline.standard_streams import print_message


def run_to_end(
    pipeline: beam.Pipeline,
    options: AnagramOptions,
    notify: Callable[[str], None] = print_message,
) -> PipelineResult:
    """Runs `pipeline` to its end; a pipeline that only becomes a template is not run.

    Without the option ``verbose``, nothing that Beam prints or logs reaches standard error. For
    this, and to notice the death of a worker, standard error and a few hooks of this process are
    replaced while the pipeline runs, and restored afterwards. So a process should run only one
    pipeline at a time.

    Args:
      pipeline: the pipeline, made with the options.
      options: complete options, see `beam_pipeline.cli.completion`.
      notify: called with messages for the user that are not errors.

    Returns:
      The runner's result.

    Raises:
      AnagramError: the run has failed. The type and the message are those of the error that a
        worker raised, if it is one for the user.
    """
    servers = OwnServers()
    with interruption.scope() as stack:
        if not is_in_process(options):  # loading them takes a while
            stack.callback(beam_internals.kill_servers_with_this_process(servers.add))
            stack.callback(beam_internals.stop_job_servers())
            stack.callback(beam_internals.serve_this_machine_only(worker_processes=False))
            stack.enter_context(own_servers_at_loopback(runner_name(options)))
        stack.callback(beam_internals.use_own_worker_program(worker.command()))
        if options.view_as(DirectOptions).direct_running_mode == "multi_processing":
            stack.callback(beam_internals.serve_this_machine_only(worker_processes=True))
            stack.enter_context(_options_for_workers(options))
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
        at_flink = None if is_in_process(options) else flink_job(options)
        ends_with_us = is_local(runner_name(options))
        stack.enter_context(cancelled_if_given_up(jobs, at_flink, ends_with_us=ends_with_us))
        patience = options.view_as(RemoteWorkerOptions).worker_start_timeout
        stack.enter_context(fail_with_job(command, at_flink, patience, notify))
        try:
            command.run()
            return jobs[0]
        except Exception as error:  # whatever a runner, stage or worker may raise
            raise explain(error, last_failure(at_flink), servers) from error


@contextlib.contextmanager
def _options_for_workers(options: AnagramOptions) -> Iterator[None]:
    """Inside, worker processes of the local runner get the options of the run.

    Beam passes no options to them, but they need those of filesystems. Options may be secrets, so
    they are in a file that only this user can read.
    """
    given = {"options": options.get_all_options(drop_default=True)}
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(given, file, default=str)
        file.flush()
        before = os.environ.get(beam_internals.WORKER_OPTIONS_FILE)
        os.environ[beam_internals.WORKER_OPTIONS_FILE] = file.name
        try:
            yield
        finally:
            if before is None:
                del os.environ[beam_internals.WORKER_OPTIONS_FILE]
            else:
                os.environ[beam_internals.WORKER_OPTIONS_FILE] = before


def is_template(options: AnagramOptions) -> bool:
    """Returns whether the job is only saved as a template, which Dataflow runs later."""
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
