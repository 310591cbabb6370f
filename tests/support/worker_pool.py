"""A Beam worker pool whose Python has nothing but apache-beam: as little as a worker can have.

    python -m tests.support.worker_pool FOLDER [PORT]

makes the environment in FOLDER, unless it is there, and serves resources/worker_pool.py until it
is ended.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from beam_pipeline.runners.prepare import go_programs
from tests.support.cli import GIVE_UP, ROOT

POOL = ROOT / "resources" / "worker_pool.py"
#: Addresses that only this machine reaches, as psutil has them.
LOOPBACK_ADDRESSES = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


def free_port() -> int:
    """Returns a TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def go_program(package: str) -> Path | None:
    """Returns the program that ``go install`` makes of a Go `package`; None if it is not there."""
    program = go_programs() / package.rpartition("/")[2]
    return program if program.is_file() else None


def bare_environment(folder: Path, *more: str) -> Path:
    """Makes a virtual environment with apache-beam and pip, unless it is there as wanted.

    Args:
      folder: where it is, or will be.
      more: requirements that are installed too.

    Returns:
      The folder of its programs.
    """
    from apache_beam.version import __version__ as beam_version

    programs, complete = folder / "bin", folder / "complete"
    wanted = (f"apache-beam=={beam_version}", *more)
    if not complete.exists() or not set(wanted) <= set(complete.read_text().split()):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--no-compile"]
        subprocess.run([*pip, *wanted], check=True)
        complete.write_text("\n".join(wanted))
    return programs


def pool_environment() -> dict[str, str]:
    """Returns the environment variables of a pool, to which this checkout is not importable."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def command(programs: Path, port: int) -> list[str]:
    """Returns the command that serves a worker pool at `port`, with the Python in a folder."""
    return [str(programs / "python"), str(POOL), f"--port={port}"]


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Waits until `process` listens at `port` of this machine.

    Raises:
      RuntimeError: it has ended, or does not listen.
    """
    deadline = time.monotonic() + GIVE_UP
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise RuntimeError(f"nothing listens at port {port}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupts `process`, and kills it if that does not help."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(programs: Path, port: int, log: Path, *, wrapper: Sequence[str] = ()) -> Iterator[int]:
    """Serves a worker pool inside the ``with`` block.

    Args:
      programs: of its Python.
      port: where it listens.
      log: the file that it prints to.
      wrapper: a program, with its arguments, that executes the pool.

    Yields:
      The id of the pool's process.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*wrapper, *command(programs, port)],
            cwd=programs,  # not the checkout: Python would find our modules there
            env=pool_environment(),
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        end(process)


class _SilentPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    def StartWorker(  # noqa: N802
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(  # noqa: N802
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        return beam_fn_api_pb2.StopWorkerResponse()


@contextlib.contextmanager
def silent_pool() -> Iterator[int]:
    """Serves a pool that starts no worker, and says nothing of it; yields its port."""
    server = grpc.server(ThreadPoolExecutor())
    port = server.add_insecure_port("localhost:0")
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(_SilentPool(), server)
    server.start()
    try:
        yield port
    finally:
        server.stop(None)


def main(arguments: Sequence[str]) -> None:
    """Serves a pool in the foreground."""
    folder = Path(arguments[0]).absolute()
    port = int(arguments[1]) if len(arguments) > 1 else 50000
    programs = bare_environment(folder)
    os.execve(programs / "python", command(programs, port), pool_environment())


if __name__ == "__main__":
    main(sys.argv[1:])
