"""``--version``. Does not import Beam, which would take longer than the answer."""

import importlib.metadata
import platform
from collections.abc import Sequence

import beam_pipeline

FLAG = "--version"


def is_version_wanted(argv: Sequence[str]) -> bool:
    """Returns whether a command line, even an invalid one, asks for the version."""
    return FLAG in argv


def version_text() -> str:
    """Returns the versions that a bug report needs, in one line.

    Example:
      >>> version_text().startswith("beam-anagrams ")
      True
    """
    return (
        f"beam-anagrams {beam_pipeline.__version__}, "
        f"Apache Beam {importlib.metadata.version('apache-beam')}, "
        f"Python {platform.python_version()}"
    )
