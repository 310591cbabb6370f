"""Runs the command line as a user who may not read everything, also where root runs the tests."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import COMMAND, ROOT, Finished, environment

#: The user id that owns nothing.
NOBODY = 65534


def run_as_nobody(*arguments: object, cwd: Path) -> Finished:
    """The command line as a user who is not root: as `NOBODY` if this process is root's.

    Skips the test where that user can read neither Python nor this checkout.
    """
    how: dict[str, Any] = {}
    if os.getuid() == 0:
        how = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    settings = environment(HOME="/nonexistent", PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(ROOT))
    probe = subprocess.run([COMMAND[0], "-c", "import transforms"], cwd=cwd, env=settings, **how)
    if probe.returncode:
        pytest.skip("another user cannot read Python or the checkout here")
    finished = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=settings,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        **how,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr.decode())


def give_away(path: Path) -> None:
    """Lets every user read the folders that lead to `path`, and `NOBODY` write into it."""
    if os.getuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    for folder in path.parents:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
