"""Prepares jobs over streams for a Flink cluster.

**Checkpoints.** By default, Beam's operators finish their bundles after they have taken part in a
checkpoint. Elements that a bundle emits then are buffered until the checkpoint is over, but the
watermark that follows them is not (`DoFnOperator.snapshotState` of Beam 2.70: `outputManager`
buffers elements, `processWatermark1` does not buffer the watermark). So elements arrive after the
end of their windows and are dropped as late: with a checkpoint every three seconds, a fifth of a
backlog. With ``finish_bundle_before_checkpointing`` bundles are finished first, and nothing is
buffered.

**Restarts.** A stream must survive the loss of machines. Flink restarts it whenever it fails, after
the workers of the last attempt have ended. `watching.py` ends jobs that no restart can help.

**Bounded streams.** Flink makes checkpoints only while sources run, so Beam never ends the sources
of a job with checkpoints. Therefore a stream that is read to an end has none. If the cluster
restarts it, it is read again from the beginning, and its files are replaced by equal ones.

**One job for each folder.** A job goes on when its client is killed. The next run into the same
folder, which holds the folder's lock, ends that job; it finds it by its name.
"""

import contextlib
import hashlib
import os

from apache_beam.options.pipeline_options import GoogleCloudOptions, PortableOptions

from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.cancelling import end_jobs
from beam_pipeline.runners.flink_options import FlinkJobServerOptions
from beam_pipeline.runners.flink_rest import NO_ANSWER, flink_job
from beam_pipeline.runners.names import has_end
from transforms.files.schemes import is_local

#: The checkpointing interval, in milliseconds. After a failure, up to this time is read again.
CHECKPOINTING_INTERVAL_MILLIS = 10_000
#: The minimum delay of a restart, in milliseconds.
RESTART_DELAY_MILLIS = 5_000
_ALWAYS = 2**31 - 1


def prepare_stream(options: AnagramOptions) -> None:
    """Completes the options of a job on Flink over a stream.

    Args:
      options: the options of the job, changed in place.

    Raises:
      UsageError: an option is invalid for streams.
    """
    names, flink = options.view_as(GoogleCloudOptions), options.view_as(FlinkJobServerOptions)
    names.job_name = names.job_name or job_name(options.output)
    flink.finish_bundle_before_checkpointing = True  # always: the cluster may enable checkpoints
    given = flink.checkpointing_interval
    if has_end(options):
        if given is not None:
            message = "Flink does not end a job with checkpoints, and until=now ends"
            raise UsageError(message, setting="checkpointing_interval", value=given)
        return
    if given is not None and given < 1:
        message = "must be 1 millisecond or more: a stream needs checkpoints"
        raise UsageError(message, setting="checkpointing_interval", value=given)
    flink.checkpointing_interval = given or CHECKPOINTING_INTERVAL_MILLIS
    if flink.number_of_execution_retries is None:
        flink.number_of_execution_retries = _ALWAYS
    if flink.execution_retry_delay is None:
        kept = str(options.view_as(PortableOptions).environment_cache_millis)  # Beam's is untyped
        flink.execution_retry_delay = max(
            RESTART_DELAY_MILLIS, 2 * int(kept) if kept.isdigit() else 0
        )


def job_name(folder: str) -> str:
    """Returns the name of jobs that write windows to a folder."""
    path = os.path.realpath(folder) if is_local(folder) else folder
    return f"anagrams-stream-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def end_earlier_job(options: AnagramOptions) -> None:
    """Ends the job, on a Flink cluster, of an earlier run into the same folder that was killed.

    Args:
      options: the complete options of a run that holds the lock of the folder.
    """
    if options.view_as(GoogleCloudOptions).job_name != job_name(options.output):
        return  # the user has named the job, so other jobs may have the same name
    if (at_flink := flink_job(options)) is not None:
        with contextlib.suppress(*NO_ANSWER):  # submitting the job will raise an error
            end_jobs(at_flink.cluster, at_flink.earlier)
