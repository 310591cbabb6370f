"""Options of Flink's job server that matter to a batch job, and that Beam for Python lacks.

Beam hands such options on unchecked, and the job server drops what it does not know. Declared
here, a misspelt name or a wrong value is found before anything runs.
"""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions


class FlinkJobServerOptions(PipelineOptions):
    """Beam passes on those that are given; see Beam's page of the Flink runner."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument_group("Flink's job server").add_argument
        add("--number_of_execution_retries", type=int, help="how often a failed job starts again")
        add("--execution_retry_delay", type=int, help="milliseconds before it does")
        add("--state_backend", help="where grouped data is held: hashmap or rocksdb")
        add("--state_backend_storage_path", help="a folder for it, shared by all TaskManagers")
        add("--max_bundle_size", type=int, help="elements in a bundle at most")
        add("--max_bundle_time_mills", type=int, help="milliseconds that a bundle lasts at most")
        add("--checkpointing_interval", type=int, help="milliseconds; not for batch jobs")
