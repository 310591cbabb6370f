"""What the tests of other runners need beside this package, and what it means that it is absent."""

import os
import shutil
from pathlib import Path

import pytest

from tests import worker_pool


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


def job_server(artifact: str) -> Path:
    """The jar of the job server `artifact`, in Maven's local repository.

    Not every Maven repository has it: where it is missing the test is skipped, in CI too.
    """
    from apache_beam.version import __version__ as version

    folder = Path("~/.m2/repository/org/apache/beam").expanduser() / artifact / version
    jar = folder / f"{artifact}-{version}.jar"
    if not jar.is_file():
        name = f"org.apache.beam:{artifact}:{version}"
        pytest.skip(f"needs {name}: mvn dependency:get -Dtransitive=false -Dartifact={name}")
    return jar


def _no(what: str) -> Path:
    absent(what)
    raise AssertionError("not reached")
