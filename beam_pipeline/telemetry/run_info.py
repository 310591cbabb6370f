"""What is known of a run when it begins, for all exporters."""

import os
from dataclasses import dataclass

from beam_pipeline.io.inputs import STDIN
from beam_pipeline.options import AnagramOptions, given_paths
from beam_pipeline.redaction import redact
from transforms.dictionary import DictionarySpec
from transforms.files.schemes import is_local

#: What this program is called where runs of many programs come together.
NAME = "beam-anagrams"


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run when it begins.

    Attributes:
      inputs: files, patterns and word lists that are read; local ones as absolute paths.
      outputs: files that are written.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: AnagramOptions, dictionary: DictionarySpec | None = None) -> "RunInfo":
        """Returns what the complete options of a run say."""
        inputs = [path for path in given_paths(options, "input") if path != STDIN]
        inputs += [*given_paths(options, "merge"), *given_paths(options, "replay")]
        inputs += [one.name for one in (dictionary.sources if dictionary else ()) if one.is_file]
        outputs = [*given_paths(options, "output"), *given_paths(options, "dead_letters")]
        return cls(tuple(map(_absolute, inputs)), tuple(map(_absolute, outputs)))


def _absolute(path: str) -> str:
    return redact(os.path.abspath(path) if is_local(path) else path)
