"""The environment of a process that is measured."""

import os
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def child_environment() -> dict[str, str]:
    """Returns this process's environment, with this very package importable in any folder.

    Python keeps its modules compiled, as it does those of installed packages: compiling them each
    time would be measured as a part of the start.
    """
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment
