"""What a command prints when it is over."""

import subprocess
import sys

import pytest

from tests.support.cli import GIVE_UP, environment

# A temporary file that is removed before it is closed, as by a run that is interrupted.
REMOVED = """
import os, sys, tempfile
from beam_pipeline.__main__ import main

file = tempfile.NamedTemporaryFile()
os.remove(file.name)
sys.exit(main())
"""


@pytest.mark.parametrize("arguments", [["--text=cat"], ["--text=cat", "--verbose"]])
def test_objects_that_cannot_be_deleted_are_reported_only_to_who_wants_to_know(
    arguments: list[str],
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", REMOVED, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=GIVE_UP,
    )
    assert finished.returncode == 0
    assert "done in" in finished.stderr
    assert ("Traceback" in finished.stderr) == ("--verbose" in arguments)
