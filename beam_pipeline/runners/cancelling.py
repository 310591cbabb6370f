"""Cancels a job whose result is no longer wanted, at the runner that works on it."""

import contextlib
import json
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
)
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.runners.environments import host_and_port
from beam_pipeline.runners.names import runner_name
from transforms.errors import AnagramError

_TIMEOUT_SECONDS = 10


@contextlib.contextmanager
def cancelled_if_interrupted(
    jobs: Sequence[PipelineResult], options: PipelineOptions
) -> Iterator[None]:
    """Inside the ``with`` block, an interrupt or a signal cancels the job that was submitted.

    Should that fail, the user is told that it may go on.

    Args:
      jobs: what the runner has returned for the job, once it has been submitted.
      options: those that the job is submitted with.
    """
    try:
        yield
    except KeyboardInterrupt:
        try:
            for job in jobs:
                if master := _flink_cluster(options):
                    # Beam's job server would only stop waiting for the job.
                    _cancel_on_flink(master, options.view_as(GoogleCloudOptions).job_name)
                else:
                    job.cancel()
        except Exception as error:  # each runner raises its own
            interruption.set_outcome(
                f"{interruption.NOTHING_PUBLISHED}, but its job cannot be cancelled and may go on: "
                f"{error}"
            )
        raise


def _flink_cluster(options: PipelineOptions) -> str | None:
    """Returns HOST:PORT of the Flink cluster that works on the job; None if there is none."""
    if runner_name(options) != "FlinkRunner":
        return None
    return host_and_port(options.view_as(FlinkRunnerOptions).flink_master)


def _cancel_on_flink(master: str, name: str) -> None:
    """Cancels the job called `name` with Flink's REST API."""
    jobs = _request(f"http://{master}/jobs/overview")["jobs"]
    running = [job["jid"] for job in jobs if job["name"] == name and job["end-time"] < 0]
    if len(running) > 1:
        raise AnagramError(f"Flink runs {len(running)} jobs named {name}")
    for job in running:
        _request(f"http://{master}/jobs/{job}?mode=cancel", "PATCH")


def _request(url: str, method: str = "GET") -> Any:
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        return json.load(response)
