"""Counts anagrams in text of any size with Apache Beam.

`build` adds the counting to a pipeline of your own; `run` is the whole command line.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam_pipeline.cli.command import run as run
    from beam_pipeline.pipeline import build as build

__all__ = ["build", "run"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Importing Beam takes most of a second: only when it is needed.
    if name == "build":
        from beam_pipeline.pipeline import build

        return build
    if name == "run":
        from beam_pipeline.cli.command import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
