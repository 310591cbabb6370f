"""What a command prints when it is over."""

import subprocess
import sys

import pytest

from tests.support.cli import GIVE_UP, environment

# An object whose deletion fails after the command. With Python before 3.12, so does that of a
# temporary file whose folder has been removed.
UNDELETABLE = """
import sys
from beam_pipeline.__main__ import main

class Undeletable:
    def __del__(self):
        raise FileNotFoundError("its folder has been removed")

undeletable = Undeletable()
code = main()
del undeletable
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [["--text=cat"], ["--text=cat", "--verbose"]])
def test_objects_that_cannot_be_deleted_are_reported_only_to_who_wants_to_know(
    arguments: list[str],
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", UNDELETABLE, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=GIVE_UP,
    )
    assert finished.returncode == 0
    assert "done in" in finished.stderr
    assert ("Traceback" in finished.stderr) == ("--verbose" in arguments)
