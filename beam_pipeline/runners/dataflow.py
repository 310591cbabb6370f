"""Checks the options of a job for Dataflow."""

import re

from apache_beam.options.pipeline_options import GoogleCloudOptions

from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import beam_internals
from transforms.dictionary import NO_DICTIONARY, WORD_LISTS
from transforms.files.schemes import is_local

_GCS_PATH = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/.*)?", re.DOTALL)
_EXAMPLES = {
    "project": "my-project",
    "region": "europe-west1",
    "temp_location": "gs://my-bucket/temp",
}


def check_dataflow(options: AnagramOptions) -> None:
    """Checks options that Dataflow would reject only after minutes, or on its workers.

    Raises:
      UsageError: a library or an option is missing, or a path is not one that Dataflow can use.
    """
    if not beam_internals.has_dataflow_client():
        raise UsageError(
            "Google Cloud's libraries are missing; "
            "install them with `pip install 'beam-anagrams[gcp]'`",
            setting="runner",
            value="DataflowRunner",
        )
    cloud = options.view_as(GoogleCloudOptions)
    for name, example in _EXAMPLES.items():
        if not getattr(cloud, name):
            raise UsageError(f"DataflowRunner needs it, e.g. {example}", setting=name)
    paths = [("input", path) for path in options.input or ()]
    paths += [("output", options.output), ("temp_location", cloud.temp_location)]
    paths += [("staging_location", cloud.staging_location)]
    named = {*WORD_LISTS, NO_DICTIONARY}
    paths += [
        ("dictionary", it) for it in options.dictionary if not named.issuperset(it.split("+"))
    ]
    for name, path in paths:
        if path is None:
            continue
        if is_local(path):
            raise UsageError(
                "Dataflow's workers see no file of this machine; "
                "give a path such as gs://my-bucket/name",
                setting=name,
                value=path,
            )
        if path.startswith("gs://") and not _GCS_PATH.fullmatch(path):
            raise UsageError("not of the form gs://BUCKET/NAME", setting=name, value=path)
