"""The program has its memory from the C library, whose free memory it can give back."""

import subprocess
import sys
from pathlib import Path

from tests.support.cli import environment

_RUN = """
import sys
import beam_pipeline.__main__ as program

sys.argv[1:] = ["--text=cat", "--output=counts.json"]
code = program.main()
import pyarrow
print(int(code), pyarrow.default_memory_pool().backend_name)
"""


def test_arrow_has_no_allocator_of_its_own(tmp_path: Path) -> None:
    for given, expected in (
        ({}, "system"),
        ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc"),
    ):
        command = [sys.executable, "-c", _RUN]
        out = subprocess.check_output(command, cwd=tmp_path, env=environment(**given), text=True)
        assert out == f"0 {expected}\n"
