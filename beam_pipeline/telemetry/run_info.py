"""Data about a run that is known when it begins, for all exporters."""

import os
from dataclasses import dataclass

from beam_pipeline.io.inputs import STDIN
from beam_pipeline.io.streams import is_stream
from beam_pipeline.options import AnagramOptions, given_paths
from beam_pipeline.redaction import redact
from transforms.dictionary import DictionarySpec
from transforms.files.schemes import is_local

#: The name of this program for collectors.
NAME = "beam-anagrams"


@dataclass(frozen=True)
class RunInfo:
    """Data about a run that is known when it begins.

    Attributes:
      inputs: streams, files, patterns and word lists that are read; local files as absolute paths.
      outputs: files that are written.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: AnagramOptions, dictionary: DictionarySpec | None = None) -> "RunInfo":
        """Returns the data of a run with these complete options."""
        inputs = [path for path in given_paths(options, "input") if path != STDIN]
        streams = [url.partition("?")[0] for url in options.input or () if is_stream(url)]
        inputs += [*given_paths(options, "merge"), *given_paths(options, "replay")]
        inputs += [one.name for one in (dictionary.sources if dictionary else ()) if one.is_file]
        outputs = [*given_paths(options, "output"), *given_paths(options, "dead_letters")]
        return cls((*map(redact, streams), *map(_absolute, inputs)), tuple(map(_absolute, outputs)))


def _absolute(path: str) -> str:
    return redact(os.path.abspath(path) if is_local(path) else path)
