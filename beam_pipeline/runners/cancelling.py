"""Cancels a job whose result is no longer wanted, at the runner that works on it."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.runners.flink_rest import ENDED, NO_ANSWER, FlinkJob

#: How long to wait until a job that has been cancelled has ended, in seconds. Its tasks end as soon
#: as they notice; what they would write until then would be left behind.
_PATIENCE = 30


@contextlib.contextmanager
def cancelled_if_given_up(
    jobs: Sequence[PipelineResult], at_flink: FlinkJob | None
) -> Iterator[None]:
    """Inside the ``with`` block, an interrupt or a signal cancels the job that was submitted.

    Should that fail, the user is told that it may go on. On a Flink cluster every other error
    cancels the job too: it may be that the job server is gone, and the job is not.

    Args:
      jobs: what the runner has returned for the job, once it has been submitted.
      at_flink: the job, if it is on a Flink cluster that is known.
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
            interruption.set_outcome(
                f"{interruption.NOTHING_PUBLISHED}, but its job cannot be cancelled and may go on: "
                f"{error}"
            )
        raise
    except BaseException:
        if at_flink is not None:
            with contextlib.suppress(*NO_ANSWER):  # the error says more
                _cancel(at_flink)
        raise


def _cancel(at_flink: FlinkJob, *, is_coming: bool = False) -> None:
    """Cancels a job unless it has ended, and waits until it has.

    Args:
      at_flink: the job.
      is_coming: whether a job server may be about to pass it on.
    """
    cluster, deadline = at_flink.cluster, time.monotonic() + _PATIENCE
    while is_coming and not at_flink.ids() and time.monotonic() < deadline:
        time.sleep(0.2)
    for job in at_flink.ids():
        if cluster.status(job).state not in ENDED:
            cluster.cancel(job)
        while cluster.status(job).state not in ENDED and time.monotonic() < deadline:
            time.sleep(0.2)
