"""Cancels a job whose result is no longer wanted, on its runner."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence

from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.runners.flink_rest import ENDED, NO_ANSWER, FlinkJob, FlinkRest
from transforms.stages.retry import describe

#: How long to wait for the end of a job that has been cancelled, in seconds. Files that its tasks
#: write before they end would be left behind.
_PATIENCE = 30


@contextlib.contextmanager
def cancelled_if_given_up(
    jobs: Sequence[PipelineResult], at_flink: FlinkJob | None, *, ends_with_us: bool = False
) -> Iterator[None]:
    """Inside the ``with`` block, an interrupt or a signal cancels the job that was submitted.

    If that fails, the user is told that the job may go on. On a Flink cluster every other error
    cancels the job too, because the job may go on even if the job server has ended.

    Args:
      jobs: the result that the runner has returned for the job, once it has been submitted.
      at_flink: the job, if it is on a known Flink cluster.
      ends_with_us: whether the runner is a child of this process: Ctrl-C interrupts it too, so it
        may have ended already.
    """
    try:
        yield
    except KeyboardInterrupt:
        try:
            if at_flink is not None:
                # Beam's job server would only stop waiting for the job.
                _cancel(at_flink, is_coming=bool(jobs) and at_flink.is_server_kept)
            else:
                for job in jobs:
                    job.cancel()
        except Exception as error:  # each runner raises its own
            if not ends_with_us:
                interruption.set_outcome(
                    f"{interruption.outcome()}; but its job cannot be cancelled and may go on: "
                    f"{describe(error)}"
                )
        raise
    except BaseException:
        if at_flink is not None:
            with contextlib.suppress(*NO_ANSWER):  # the error says more
                _cancel(at_flink)
        raise


def _cancel(at_flink: FlinkJob, *, is_coming: bool = False) -> None:
    """Cancels a job unless it has ended, and waits for its end.

    Args:
      at_flink: the job.
      is_coming: whether a job server may still be submitting it.
    """
    deadline = time.monotonic() + _PATIENCE
    while is_coming and not at_flink.ids() and time.monotonic() < deadline:
        time.sleep(0.2)
    end_jobs(at_flink.cluster, at_flink.ids(), deadline)


def end_jobs(cluster: FlinkRest, jobs: Iterable[str], deadline: float | None = None) -> None:
    """Cancels jobs unless they have ended, and waits for their end.

    Args:
      cluster: the cluster of the jobs.
      jobs: their ids.
      deadline: until when to wait, by `time.monotonic`.
    """
    deadline = time.monotonic() + _PATIENCE if deadline is None else deadline
    for job in jobs:
        if cluster.status(job).state not in ENDED:
            cluster.cancel(job)
        while cluster.status(job).state not in ENDED and time.monotonic() < deadline:
            time.sleep(0.2)
