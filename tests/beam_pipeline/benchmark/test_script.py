"""``run_comparison.sh`` runs the benchmark and then the comparison, wherever it is called from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT, Finished, environment

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script beside two quick orchestrators; one has the name of the default."""
    folder = tmp_path / "checkout" / "benchmark_orchestrators"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "run_comparison.sh", folder.parent)
    for name in ("__init__.py", "_common.py", "indexed.py"):
        shutil.copy(ROOT / "benchmark_orchestrators" / name, folder)
    shutil.copy(folder / "indexed.py", folder / "beam_vectorized.py")
    return folder.parent


def run(checkout: Path, cwd: Path, *arguments: str) -> Finished:
    """The script, with the Python of these tests as the active one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    finished = subprocess.run(
        [checkout / "run_comparison.sh", *arguments],
        cwd=cwd,
        env=environment(PATH=path),
        capture_output=True,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr.decode())


def test_both_tables_come_one_after_the_other(checkout: Path, tmp_path: Path) -> None:
    finished = run(checkout, tmp_path, "--test-case=small", "--iterations=1")
    assert finished.code == 0, finished.err
    first, second = finished.out.decode().split("seed ")[:2]
    assert "beam_vectorized" in first and "indexed" not in first
    assert "beam_vectorized" in second and "indexed" in second
    assert not (checkout / ".venv").exists()


def test_wrong_usage_ends_it_with_one_line(checkout: Path, tmp_path: Path) -> None:
    finished = run(checkout, tmp_path, "--iterations=none")
    assert finished.code == 2
    assert finished.out == b""
    assert finished.err.startswith("error: ") and finished.err.count("\n") == 1
