"""Runs the command line as a user who may not read everything, also where root runs the tests."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.cli import Finished, environment

#: The user id that owns nothing.
NOBODY = 65534

# Everything is loaded and used once before, as the other user may not be able to read Python.
_RUN = f"""
import contextlib, os, sys
from beam_pipeline import run
with open(os.devnull, "w") as null, contextlib.redirect_stderr(null):
    run(["--text=cat", "--dictionary=none", "--output={{scratch}}/warm.json"])
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
sys.exit(run(sys.argv[1:]))
"""


def run_as_nobody(*arguments: object, cwd: Path) -> Finished:
    """The command line as a user who is not root: as `NOBODY` if this process is root's."""
    finished = subprocess.run(
        [sys.executable, "-c", _RUN.format(scratch=cwd.parent), *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr.decode())


def give_away(path: Path) -> None:
    """Lets `NOBODY` reach the folder `path`, and write into it."""
    if os.getuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    for folder in path.parents:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
