"""Programs that tests of other runners need, and that pip does not install.

Where one is missing, a test that asks for it is skipped; in CI it fails.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support import worker_pool
from tests.support.cli import ROOT


def prism() -> Path:
    """Returns the program of Beam's Prism runner."""
    package = "github.com/apache/beam/sdks/v2/go/cmd/prism"
    return worker_pool.go_program(package) or missing(f"prism: go install {package}")


def job_server(runner: str) -> Path:
    """Returns the jar of Beam's job server for ``flink`` or ``spark``; Java is there to run it."""
    if shutil.which("java") is None:
        missing("Java 17")
    folder = ROOT / "resources" / "job_servers"
    jar = folder / "target" / f"{runner}-job-server.jar"
    return jar if jar.exists() else missing(f"{jar.name}: mvn -B -f {folder} -P {runner} package")


def java_example() -> Path:
    """Returns the jar of the pipeline in Java; Java is there to run it."""
    if shutil.which("java") is None:
        missing("Java 17")
    folder = ROOT / "resources" / "java"
    jar = folder / "target" / "count-anagrams.jar"
    return jar if jar.exists() else missing(f"{jar.name}: mvn -B -f {folder} package")


def otel_collector() -> Path:
    """Returns the program of a collector of OpenTelemetry."""
    folder = ROOT / "resources" / "telemetry"
    program = folder / "target" / "collector"
    return (
        program
        if program.exists()
        else missing(f"{program.name}: go -C {folder} build -o target/collector .")
    )


def missing(what: str) -> NoReturn:
    """Skips the test that needs `what`; in CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")
