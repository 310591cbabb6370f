"""The option of remote workers that Beam lacks. Importing this module declares it, as Beam finds
the options of all classes derived from `PipelineOptions`."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

#: Whether remote workers are sent this package and what it needs.
STAGING = ("auto", "none")


class RemoteWorkerOptions(PipelineOptions):
    """What remote workers are sent; see `beam_pipeline.runners.staging`."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument_group("remote workers").add_argument(
            "--staging",
            choices=STAGING,
            default=STAGING[0],
            help="what remote workers are sent: auto, this package and what it needs; none, as "
            "they have it (default: %(default)s)",
        )
