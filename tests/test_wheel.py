"""The built wheel has all it needs, and nothing else, and runs where no checkout is."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.cli import GIVE_UP

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGES = ("beam_pipeline", "transforms", "benchmark_orchestrators")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        capture_output=True,
        text=True,
        timeout=GIVE_UP,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_contains_all_packages_and_the_cases(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for pattern in ("*.py", "py.typed", "templates/*.html"):
        files = {
            path.relative_to(ROOT).as_posix()
            for package in PACKAGES
            for path in (ROOT / package).rglob(pattern)
        }
        assert files
        assert files <= names
    assert {"beam_pipeline/py.typed", "transforms/py.typed"} <= names
    assert "beam_pipeline/resources/test_cases.json" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    assert not [name for name in names if "__pycache__" in name or "tests/" in name]


def test_wheel_says_what_it_is_and_names_its_commands(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    text = archive.read(metadata).decode()
    assert "\nName: beam-anagrams\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text
    entry_points = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    assert "pipeline = beam_pipeline.__main__:main" in entry_points
    assert "\nbenchmark = beam_pipeline.benchmark.__main__:benchmark" in f"\n{entry_points}"
    assert "compare-benchmarks = beam_pipeline.benchmark.__main__:compare" in entry_points


def test_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    unpacked, elsewhere = tmp_path / "unpacked", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(unpacked)
    elsewhere.mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [sys.executable, "-m", "beam_pipeline", *arguments],
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": str(unpacked)},
            capture_output=True,
            text=True,
            timeout=GIVE_UP,
        )
        assert finished.returncode == 0, finished.stderr
        return finished

    cases = run("--test_case", "small")
    assert json.loads(cases.stdout) == {"small": {"act": 1, "cat": 1, "tac": 1}}
    assert "as expected" in cases.stderr
    run("--text", "cat", "--report", "report.html")
    assert (elsewhere / "report.html").read_text("utf-8").startswith("<!doctype html>")
