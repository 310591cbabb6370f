"""A Flink cluster, through its REST API: what becomes of a job, and its end.

Beam's job server neither reports all that can go wrong with a job nor cancels it.
"""

import contextlib
import http.client
import json
import urllib.request
from dataclasses import dataclass
from typing import Any, NamedTuple

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)

from beam_pipeline.runners.environments import host_and_port
from beam_pipeline.runners.names import runner_name

_TIMEOUT_SECONDS = 10
#: What is raised where no Flink answers.
NO_ANSWER = (OSError, ValueError, LookupError, http.client.HTTPException)
#: States in which a job has ended.
ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})


class Slots(NamedTuple):
    """How many task slots a cluster has, and how many of them are free."""

    total: int
    free: int


@dataclass(frozen=True)
class JobStatus:
    """A job at one moment.

    Attributes:
      state: RUNNING, RESTARTING, FAILED and so on.
      tasks: the states of its tasks, such as SCHEDULED, each with the number of subtasks in it.
      failures: the tracebacks of what has failed so far, the first of them first.
    """

    state: str
    tasks: tuple[tuple[str, int], ...]
    failures: tuple[str, ...]


class FlinkRest:
    """Asks a cluster.

    Every method raises one of `NO_ANSWER` where nobody, or something else, answers.

    Args:
      address: HOST:PORT of the REST API.
    """

    def __init__(self, address: str):
        self._address = address

    def jobs(self, name: str) -> list[str]:
        """Returns the ids of all jobs called `name`."""
        return [job["jid"] for job in self._get("jobs/overview")["jobs"] if job["name"] == name]

    def status(self, job: str) -> JobStatus:
        """Returns what has become of a job, by its id."""
        details, raised = self._get(f"jobs/{job}"), self._get(f"jobs/{job}/exceptions")
        tasks: dict[str, int] = {}
        for vertex in details["vertices"]:
            for state, number in vertex["tasks"].items():
                tasks[state] = tasks.get(state, 0) + number
        # The latest is the first.
        entries = reversed(raised.get("exceptionHistory", {}).get("entries", ()))
        failures = [str(entry["stacktrace"]) for entry in entries]
        if not failures and raised.get("root-exception"):
            failures = [str(raised["root-exception"])]
        return JobStatus(
            str(details["state"]),
            tuple(sorted((state, number) for state, number in tasks.items() if number)),
            tuple(failures),
        )

    def slots(self) -> Slots:
        """Returns the cluster's task slots."""
        overview = self._get("overview")
        return Slots(int(overview["slots-total"]), int(overview["slots-available"]))

    def cancel(self, job: str) -> None:
        """Asks the cluster to cancel a job, by its id; it does so in its own time."""
        self._request(f"jobs/{job}?mode=cancel", "PATCH")

    def _get(self, path: str) -> Any:
        return self._request(path, "GET")

    def _request(self, path: str, method: str) -> Any:
        request = urllib.request.Request(f"http://{self._address}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)


class FlinkJob:
    """A job on a cluster, which begins after this object is made.

    Args:
      cluster: where it is.
      name: its name, which earlier jobs may have had too.
      is_server_kept: whether the job server that passes it on runs on when the client has ended.
    """

    def __init__(self, cluster: FlinkRest, name: str, *, is_server_kept: bool):
        self.cluster, self._name, self.is_server_kept = cluster, name, is_server_kept
        self._earlier: frozenset[str] = frozenset()
        with contextlib.suppress(*NO_ANSWER):
            self._earlier = frozenset(cluster.jobs(name))

    def ids(self) -> list[str]:
        """Returns its id; none as long as it has not begun."""
        return [job for job in self.cluster.jobs(self._name) if job not in self._earlier]


def flink_job(options: PipelineOptions) -> FlinkJob | None:
    """Returns the job that is about to begin; None if it is for no Flink cluster that is known.

    With a job server that runs already, ``flink_master`` is the cluster behind it.
    """
    if runner_name(options) not in ("FlinkRunner", "PortableRunner"):
        return None
    address = host_and_port(str(options.view_as(FlinkRunnerOptions).flink_master))
    name = options.view_as(GoogleCloudOptions).job_name
    if address is None:
        return None
    is_server_kept = bool(options.view_as(PortableOptions).job_endpoint)
    return FlinkJob(FlinkRest(address), str(name), is_server_kept=is_server_kept)
