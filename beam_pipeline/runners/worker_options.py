"""Options for remote workers that Beam does not have. Importing this module declares them, because
Beam finds the options of all classes derived from `PipelineOptions`."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

#: Whether this package and its requirements are sent to remote workers.
STAGING = ("auto", "none")


#: Seconds. On a busy machine a worker takes a while to install the packages of its job.
WORKER_START_TIMEOUT = 300.0


class RemoteWorkerOptions(PipelineOptions):
    """The options for staging to remote workers, and for how long a job waits for them.

    See `beam_pipeline.runners.staging` and `beam_pipeline.runners.watching`.
    """

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument_group("remote workers").add_argument
        add(
            "--staging",
            choices=STAGING,
            default=STAGING[0],
            help="what is sent to remote workers: auto, this package and its requirements; none, "
            "if it is installed there (default: %(default)s)",
        )
        add(
            "--worker_start_timeout",
            type=float,
            default=WORKER_START_TIMEOUT,
            metavar="SECONDS",
            help="for how many seconds a job on a Flink cluster waits for a worker of its pool "
            "(default: %(default)g)",
        )
