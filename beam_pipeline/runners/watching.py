"""Watches a job on a Flink cluster for what its job server does not tell, or tells late.

Flink restarts a job whatever has failed, also where every attempt must fail; it waits for slots
that it will never have; and a job whose classes cannot be loaded fails there while its job server
still waits for it.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from beam_pipeline.interruption import Command
from beam_pipeline.runners.explaining import root_cause, user_error
from beam_pipeline.runners.flink_rest import NO_ANSWER, FlinkJob, JobStatus, Slots
from transforms.errors import AnagramError

#: Seconds between two looks.
_INTERVAL = 1.0
#: How long a job may wait for slots without any of its tasks making progress, in seconds. Clusters
#: that add TaskManagers when they are needed take their time.
SLOT_PATIENCE = 120.0
#: How long the job server may take to tell that a job has failed, in seconds.
SERVER_PATIENCE = 15.0


class JobWatch:
    """What is to be thought of a job, from one look at it to the next.

    Args:
      slot_patience: how long it may wait for slots, in seconds.
      server_patience: how long its job server may take to report its end, in seconds.
    """

    def __init__(
        self, slot_patience: float = SLOT_PATIENCE, server_patience: float = SERVER_PATIENCE
    ):
        self._slot_patience, self._server_patience = slot_patience, server_patience
        self._failed_at: float | None = None
        self._last: tuple[tuple[str, int], ...] = ()
        self._last_change = 0.0

    def verdict(self, status: JobStatus, slots: Slots, now: float) -> AnagramError | None:
        """Returns the error that the job is to end with; None while there is none.

        Args:
          status: of the job.
          slots: of its cluster.
          now: in seconds, of any clock that never goes back.
        """
        for failure in status.failures:
            if (error := user_error(failure)) is not None:
                return error  # the same will happen in every attempt
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


def _ended(status: JobStatus) -> str:
    if status.state == "CANCELED":
        return "the job was cancelled at Flink"
    cause = root_cause(status.failures[-1]) if status.failures else "unknown"
    return f"the job has failed at Flink: {cause}"


@contextlib.contextmanager
def fail_with_job(command: Command[Any], at_flink: FlinkJob | None) -> Iterator[None]:
    """Inside the ``with`` block, what a Flink cluster says of the job may end the command.

    Args:
      command: what waits for the job server.
      at_flink: the job, if it is on a Flink cluster that is known.
    """
    if at_flink is None:
        yield
        return
    is_over = threading.Event()
    threading.Thread(target=_watch, args=(at_flink, command, is_over), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _watch(at_flink: FlinkJob, command: Command[Any], is_over: threading.Event) -> None:
    watch, cluster = JobWatch(), at_flink.cluster
    while not is_over.wait(_INTERVAL):
        # Whoever does not answer now may answer later; the job server waits for the job too.
        with contextlib.suppress(*NO_ANSWER):
            for job in at_flink.ids():
                error = watch.verdict(cluster.status(job), cluster.slots(), time.monotonic())
                if error is not None and not is_over.is_set():
                    command.end(error)
                    return
