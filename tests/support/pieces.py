"""What the tests of other runners need beside this package, and what it means that it is absent."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support import worker_pool


def absent(what: str) -> None:
    """A piece that CI installs is not here: skips the test, but fails it in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


def prism() -> Path:
    """The program of Beam's Prism runner."""
    package = "github.com/apache/beam/sdks/v2/go/cmd/prism"
    return worker_pool.go_program(package) or _no(f"prism: go install {package}")


def boot() -> Path:
    """Beam's boot program for Python workers."""
    package = "github.com/apache/beam/sdks/v2/python/container"
    return worker_pool.go_program(package) or _no(f"Beam's boot program: go install {package}")


def java() -> None:
    """Java, for Flink and for job servers."""
    if shutil.which("java") is None:
        absent("Java 17")


def job_server(runner: str) -> Path:
    """The jar of Beam's job server for flink or spark. Before its start Java must be here."""
    java()
    folder = worker_pool.ROOT / "resources" / "job_servers"
    jar = folder / "target" / f"{runner}-job-server.jar"
    return jar if jar.exists() else _no(f"{jar.name}: mvn -B -f {folder} -P {runner} package")


def _no(what: str) -> Path:
    absent(what)
    raise AssertionError("not reached")
