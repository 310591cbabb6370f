"""Monitors a job on a Flink cluster for failures that its job server reports late or not at all.

Flink restarts a job after any failure, even if every attempt must fail; it waits for slots that it
will never get, or for a worker that no pool starts; and if the classes of a job cannot be loaded,
it fails while its job server still waits for it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from beam_pipeline.interruption import Command
from beam_pipeline.runners.explaining import root_cause, user_error
from beam_pipeline.runners.flink_rest import NO_ANSWER, FlinkJob, JobStatus, Slots
from beam_pipeline.runners.worker_options import WORKER_START_TIMEOUT
from transforms.errors import AnagramError

#: The polling interval, in seconds.
_INTERVAL = 1.0
#: The interval of checks for tasks that wait for a worker, in seconds; Flink lists its threads.
_WORKER_INTERVAL = 10.0
#: How long a job may wait for slots without progress of any task, in seconds. Clusters that add
#: TaskManagers on demand need some time.
SLOT_PATIENCE = 120.0
#: How long the job server may take to report that a job has failed, in seconds.
SERVER_PATIENCE = 15.0


class JobWatch:
    """Judges the status of a job, from one poll to the next.

    Args:
      slot_patience: how long it may wait for slots, in seconds.
      server_patience: how long its job server may take to report its end, in seconds.
      worker_patience: how long it may wait for a Python worker, in seconds.
    """

    def __init__(
        self,
        slot_patience: float = SLOT_PATIENCE,
        server_patience: float = SERVER_PATIENCE,
        worker_patience: float = WORKER_START_TIMEOUT,
    ):
        self._slot_patience, self._server_patience = slot_patience, server_patience
        self._worker_patience = worker_patience
        self._waits_since: float | None = None
        self._failed_at: float | None = None
        self._last: tuple[tuple[str, int], ...] = ()
        self._last_change = 0.0
        self._told = ""

    def verdict(self, status: JobStatus, slots: Slots, now: float) -> AnagramError | None:
        """Returns the error with which the job must end; None if it may go on.

        Args:
          status: the status of the job.
          slots: the task slots of its cluster.
          now: the time in seconds, of any monotonic clock.
        """
        for failure in status.failures:
            if (error := user_error(failure)) is not None:
                return error  # it would occur again in every attempt
        if status.state in ("FAILED", "CANCELED"):
            self._failed_at = now if self._failed_at is None else self._failed_at
            if now - self._failed_at >= self._server_patience:
                return AnagramError(_ended(status))
            return None
        if status.tasks != self._last:
            self._last, self._last_change = status.tasks, now
        waiting = dict(status.tasks).get("SCHEDULED", 0)
        if waiting and not slots.free and now - self._last_change >= self._slot_patience:
            return AnagramError(
                f"Flink has {slots.total} task slots and none is free for {waiting} tasks of the "
                f"job, for {self._slot_patience:.0f} s; give a lower parallelism, or add "
                "TaskManagers"
            )
        return None

    def notice(self, status: JobStatus) -> str | None:
        """Returns a message for the user about a restart of the job; None if there is nothing new.

        Args:
          status: the status of the job.
        """
        if not status.failures or status.state not in ("RESTARTING", "RUNNING"):
            return None
        cause = root_cause(status.failures[-1])
        if cause == self._told:
            return None
        self._told = cause
        return f"Flink restarts the job: {cause}"

    def verdict_on_workers(self, waits: bool, now: float) -> AnagramError | None:
        """Returns the error with which the job must end; None if it may go on.

        Args:
          waits: whether a task of the job waits for a worker.
          now: the time in seconds, of the clock of `verdict`.
        """
        if not waits:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since >= self._worker_patience:
            return AnagramError(
                f"Flink waits for a Python worker for {self._worker_patience:.0f} s and more; see "
                "what the worker pool prints (environment_config), or give it more time "
                "(worker_start_timeout)"
            )
        return None


def _ended(status: JobStatus) -> str:
    if status.state == "CANCELED":
        return "the job was cancelled at Flink"
    cause = root_cause(status.failures[-1]) if status.failures else "unknown"
    return f"the job has failed at Flink: {cause}"


def last_failure(at_flink: FlinkJob | None) -> str:
    """Returns the traceback of the last failure of a job, from Flink; empty if there is none.

    Args:
      at_flink: the job, if it is on a known Flink cluster.
    """
    failures: list[str] = []
    if at_flink is not None:
        with contextlib.suppress(*NO_ANSWER):
            for job in at_flink.ids():
                failures += at_flink.cluster.status(job).failures[-1:]
    return "\n".join(failures)


@contextlib.contextmanager
def fail_with_job(
    command: Command[Any],
    at_flink: FlinkJob | None,
    worker_patience: float,
    notify: Callable[[str], None],
) -> Iterator[None]:
    """Inside the ``with`` block, a failure of the job on a Flink cluster ends the command.

    Args:
      command: the command that waits for the job server.
      at_flink: the job, if it is on a known Flink cluster.
      worker_patience: how long the job may wait for a Python worker, in seconds.
      notify: called with a message for the user when the job is restarted for a new reason.
    """
    if at_flink is None:
        yield
        return
    is_over, lock = threading.Event(), threading.Lock()

    def tell(notice: str) -> None:
        with lock:  # what is told at the end is told last
            if not is_over.is_set():
                notify(notice)

    watch = JobWatch(worker_patience=worker_patience)
    arguments = (at_flink, command, watch, is_over, tell)
    threading.Thread(target=_watch, args=arguments, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            is_over.set()


def _watch(
    at_flink: FlinkJob,
    command: Command[Any],
    watch: JobWatch,
    is_over: threading.Event,
    tell: Callable[[str], None],
) -> None:
    cluster, next_look_for_workers = at_flink.cluster, 0.0
    while not is_over.wait(_INTERVAL):
        # If Flink does not answer now, it may later; the job server waits for the job too.
        with contextlib.suppress(*NO_ANSWER):
            for job in at_flink.ids():
                now, status = time.monotonic(), cluster.status(job)
                error = watch.verdict(status, cluster.slots(), now)
                if error is None and now >= next_look_for_workers:
                    next_look_for_workers = now + _WORKER_INTERVAL
                    error = watch.verdict_on_workers(cluster.waits_for_worker(job), now)
                if error is not None and not is_over.is_set():
                    command.end(error)
                    return
                if (notice := watch.notice(status)) is not None:
                    tell(notice)
