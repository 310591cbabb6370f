"""Options of Flink's job server that Beam for Python does not declare.

Beam passes unknown options to the job server, which ignores those that it does not know either.
Because these options are declared here, a misspelled name or a wrong value is an error before
anything runs. Importing this module declares them: Beam finds the options of all classes derived
from `PipelineOptions`.
"""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions


class FlinkJobServerOptions(PipelineOptions):
    """Options that the job server reads; https://beam.apache.org/documentation/runners/flink/."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument_group("Flink's job server").add_argument
        add("--number_of_execution_retries", type=int, help="how often a failed job is restarted")
        add("--execution_retry_delay", type=int, help="milliseconds to wait before a restart")
        add("--state_backend", help="where grouped data is held: hashmap or rocksdb")
        add("--state_backend_storage_path", help="a folder for it, shared by all TaskManagers")
        add("--max_bundle_size", type=int, help="the most elements in a bundle")
        add("--max_bundle_time_mills", type=int, help="the most milliseconds that a bundle lasts")
        add("--checkpointing_interval", type=int, help="milliseconds; for streams only")
        add(
            "--finish_bundle_before_checkpointing",
            action="store_true",
            default=False,
            help="checkpoints wait for bundles; always so for streams",
        )
        add(
            "--shutdown_sources_after_idle_ms",
            type=int,
            help="milliseconds after which a source that has nothing more to read ends; with "
            "checkpoints it would not",
        )
