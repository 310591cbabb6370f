"""A pipeline in Java that counts anagrams by a transform in Python, as its README shows it."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.cli import ROOT, environment
from tests.support.sessions import sessions

pytestmark = pytest.mark.cluster

FOLDER = ROOT / "resources" / "java"
_PORT = re.compile(r"\b80\d\d\b")
_PATIENCE = 120  # seconds


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def server(command: str, port: int, folder: Path, path: str) -> Iterator[None]:
    """A server that a session starts in the background; it listens inside the ``with`` block."""
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command.removesuffix('&')}"],
            cwd=folder,
            env=environment(PATH=path),
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", port)):
                break
            printed = (folder / f"{port}.log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, printed
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def test_java_gets_the_counts_of_python(tmp_path: Path) -> None:
    jar, prism = programs.java_example(), programs.prism()
    (tmp_path / "target").mkdir()
    shutil.copy(jar, tmp_path / "target")
    folders = (Path(sys.executable).parent, prism.parent)
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    (session,) = sessions(FOLDER / "README.md")
    ports = {
        port: str(free_port()) for step in session.steps for port in _PORT.findall(step.command)
    }
    with contextlib.ExitStack() as servers:
        for step in session.steps:
            command = _PORT.sub(lambda port: ports[port[0]], step.command)
            if command.endswith("&"):
                (port,) = {ports[port] for port in _PORT.findall(step.command)}
                servers.enter_context(server(command, int(port), tmp_path, path))
                continue
            if command.startswith("java"):
                command += f" --expansionService=localhost:{ports['8097']}"
            finished = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=environment(PATH=path),
                capture_output=True,
                text=True,
                timeout=10 * _PATIENCE,
            )
            assert finished.returncode == 0, finished.stdout + finished.stderr
            assert finished.stdout == step.printed, command
    counted = subprocess.run(
        [sys.executable, "-m", "beam_pipeline", "--input=texts.txt", "--output_format=csv"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert ["word,count,signature", *sorted((tmp_path / "counts.csv").read_text().split())] == (
        counted.stdout.split()
    )
