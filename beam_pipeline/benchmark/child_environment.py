"""The environment of a process that is measured."""

import os
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def child_environment() -> dict[str, str]:
    """Returns this process's environment, with this very package importable in any folder."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
