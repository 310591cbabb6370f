"""Counts anagrams in text of any size with Apache Beam.

`CountAnagrams` is the transform, `build` adds it and a source to a pipeline, `run` runs the command
line. Names are imported when they are first used, because importing Beam takes most of a second.
"""

import importlib

# Type checkers take this for True. `typing` is not imported for it: `python -m` would look for a
# module of that name in the current folder first, until `__main__` changes that.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from beam_pipeline.cli.command import run as run
    from beam_pipeline.io.sinks import WriteResults as WriteResults
    from beam_pipeline.io.sources import ReadFiles as ReadFiles
    from beam_pipeline.io.sources import ReadString as ReadString
    from beam_pipeline.pipeline import CountAnagrams as CountAnagrams
    from beam_pipeline.pipeline import build as build

__version__ = "0.2.0"

_MODULES = {
    "CountAnagrams": "beam_pipeline.pipeline",
    "ReadFiles": "beam_pipeline.io.sources",
    "ReadString": "beam_pipeline.io.sources",
    "WriteResults": "beam_pipeline.io.sinks",
    "build": "beam_pipeline.pipeline",
    "run": "beam_pipeline.cli.command",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from transforms.notebooks import check_notebook

    check_notebook()
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
