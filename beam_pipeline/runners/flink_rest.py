"""A client of Flink's REST API, to monitor and cancel a job.

Beam's job server does not report all failures of a job, and cannot cancel it.
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
#: The errors raised if no Flink cluster answers.
NO_ANSWER = (OSError, ValueError, LookupError, http.client.HTTPException)
#: States in which a job has ended.
ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})


# The Java class in which a task of Beam waits for a worker from a pool.
_AWAITS_WORKER = "ExternalEnvironmentFactory.createEnvironment"


class Slots(NamedTuple):
    """The numbers of all and of free task slots of a cluster."""

    total: int
    free: int


@dataclass(frozen=True)
class JobStatus:
    """The status of a job.

    Attributes:
      state: RUNNING, RESTARTING, FAILED and so on.
      tasks: the number of subtasks in each state, such as SCHEDULED.
      failures: the tracebacks of all failures so far, the earliest first.
    """

    state: str
    tasks: tuple[tuple[str, int], ...]
    failures: tuple[str, ...]


class FlinkRest:
    """The REST API of a cluster.

    Every method raises one of `NO_ANSWER` if no Flink cluster answers.

    Args:
      address: HOST:PORT of the REST API.
    """

    def __init__(self, address: str):
        self._address = address

    def jobs(self, name: str) -> list[str]:
        """Returns the ids of all jobs with this name."""
        return [job["jid"] for job in self._get("jobs/overview")["jobs"] if job["name"] == name]

    def status(self, job: str) -> JobStatus:
        """Returns the status of a job, by its id."""
        # In this order, so that the state is not older than the failures.
        raised, details = self._get(f"jobs/{job}/exceptions"), self._get(f"jobs/{job}")
        tasks: dict[str, int] = {}
        for vertex in details["vertices"]:
            for state, number in vertex["tasks"].items():
                tasks[state] = tasks.get(state, 0) + number
        # Flink lists the latest failure first.
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

    def waits_for_worker(self, job: str) -> bool:
        """Returns whether a task of a job, by its id, waits until a pool has started a worker."""
        names = [str(vertex["name"]) for vertex in self._get(f"jobs/{job}")["vertices"]]
        for manager in self._get("taskmanagers")["taskmanagers"]:
            for thread in self._get(f"taskmanagers/{manager['id']}/thread-dump")["threadInfos"]:
                if _AWAITS_WORKER in thread["stringifiedThreadInfo"] and any(
                    name in thread["threadName"] for name in names
                ):
                    return True
        return False

    def cancel(self, job: str) -> None:
        """Requests that a job is cancelled, by its id; does not wait for its end."""
        self._request(f"jobs/{job}?mode=cancel", "PATCH")

    def _get(self, path: str) -> Any:
        return self._request(path, "GET")

    def _request(self, path: str, method: str) -> Any:
        request = urllib.request.Request(f"http://{self._address}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)


class FlinkJob:
    """A job on a cluster, which is submitted after this object is made.

    Args:
      cluster: the cluster of the job.
      name: the name of the job; earlier jobs may have the same name.
      is_server_kept: whether the job server goes on running when the client has ended.

    Attributes:
      earlier: the ids of earlier jobs of this name.
    """

    def __init__(self, cluster: FlinkRest, name: str, *, is_server_kept: bool):
        self.cluster, self._name, self.is_server_kept = cluster, name, is_server_kept
        self.earlier: frozenset[str] = frozenset()
        with contextlib.suppress(*NO_ANSWER):
            self.earlier = frozenset(cluster.jobs(name))

    def ids(self) -> list[str]:
        """Returns the id of the job; empty before it has begun."""
        return [job for job in self.cluster.jobs(self._name) if job not in self.earlier]


def flink_job(options: PipelineOptions) -> FlinkJob | None:
    """Returns the job that is about to begin; None if it is not for a known Flink cluster.

    With a job server that runs already, ``flink_master`` must be the cluster that it submits to.
    """
    if runner_name(options) not in ("FlinkRunner", "PortableRunner"):
        return None
    address = host_and_port(str(options.view_as(FlinkRunnerOptions).flink_master))
    name = options.view_as(GoogleCloudOptions).job_name
    if address is None:
        return None
    is_server_kept = bool(options.view_as(PortableOptions).job_endpoint)
    return FlinkJob(FlinkRest(address), str(name), is_server_kept=is_server_kept)
