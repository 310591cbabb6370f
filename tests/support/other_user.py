"""Runs the command line as a user who may not read everything, also where root runs the tests."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.cli import GIVE_UP, Finished, environment

#: The user id that owns nothing.
NOBODY = 65534

# Everything is loaded and used once before, as the other user may not be able to read Python.
_RUN = f"""
import contextlib, logging, os, sys
logging.basicConfig(level=logging.CRITICAL)
from beam_pipeline import run
with open(os.devnull, "w") as null, contextlib.redirect_stderr(null):
    run(["--text=cat", "--dictionary=none", "--output={{scratch}}/loaded.json"])
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
sys.exit(run(sys.argv[1:]))
"""


def run_as_nobody(*arguments: object, cwd: Path) -> Finished:
    """The command line as a user who is not root: as `NOBODY` if this process is root's."""
    finished = subprocess.run(
        [sys.executable, "-c", _RUN.format(scratch=cwd), *map(str, arguments)],
        cwd=cwd,
        env=environment(TMPDIR=str(cwd)),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=GIVE_UP,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr.decode())


@contextlib.contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """Makes a folder that the user of `run_as_nobody` can reach, and write into.

    The folders of pytest's `tmp_path` are closed to other users.
    """
    with tempfile.TemporaryDirectory() as name:
        if os.getuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)
