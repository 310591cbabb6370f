"""What is measured has the machine to itself: the benchmark does not load Beam."""

import subprocess
import sys
from pathlib import Path

import beam_pipeline.benchmark
from tests.support.cli import environment

FOLDER = Path(beam_pipeline.benchmark.__file__).parent
ROOT = FOLDER.parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(FOLDER.rglob("*.py"))
    if path.stem != "__main__"
]


def test_no_module_loads_beam(tmp_path: Path) -> None:
    assert "beam_pipeline.benchmark.compare.page" in MODULES
    code = f"""
import importlib, sys
for name in {MODULES!r}:
    importlib.import_module(name)
    assert "apache_beam" not in sys.modules, name
"""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
