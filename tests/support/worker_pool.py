"""A Beam worker pool with nothing but apache-beam in its Python: as bare as a worker can be.

    python -m tests.support.worker_pool FOLDER [PORT]

makes the environment in FOLDER, unless it is there, and serves until it is ended.
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
from pathlib import Path

ROOT = Path(__file__).parents[2]
BOOT = ROOT / "resources" / "worker_boot.sh"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def go_program(package: str) -> Path | None:
    """The program that ``go install`` makes of a Go `package` of Beam, if it is there."""
    go_path = os.environ.get("GOPATH", "").split(os.pathsep)[0] or "~/go"
    folder = Path(os.environ.get("GOBIN") or f"{go_path}/bin").expanduser()
    program = folder / package.rpartition("/")[2]
    return program if program.is_file() else None


def bare_environment(folder: Path, *more: str) -> Path:
    """-> the programs of a virtual environment with apache-beam, pip, and what else is required."""
    from apache_beam.version import __version__ as beam_version

    programs = folder / "bin"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [programs / "python", "-m", "pip", "install", "-q", "--no-compile"]
        subprocess.run([*pip, f"apache-beam=={beam_version}", *more], check=True, timeout=600)
        (folder / "complete").touch()
    return programs


def pool_environment(programs: Path, boot: Path) -> dict[str, str]:
    """The environment variables of a pool: its `python` is that of `programs`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PATH": f"{programs}:{os.environ['PATH']}", "BEAM_BOOT": str(boot)}


def command(programs: Path, port: int) -> Sequence[str]:
    """What serves a worker pool at `port`."""
    pool = "apache_beam.runners.worker.worker_pool_main"
    options = (f"--service_port={port}", f"--container_executable={BOOT}")
    return (str(programs / "python"), "-m", pool, *options)


def wait_for(port: int, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    """Waits until `process` listens at `port` of this machine.

    Raises:
      RuntimeError: it has ended.
      TimeoutError: it does not listen in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens at port {port} after {seconds} s")


def end(process: "subprocess.Popen[bytes]", seconds: float = 15) -> None:
    """Ends `process`, with patience for `seconds`."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(programs: Path, boot: Path, port: int, log: Path) -> Iterator[int]:
    """A worker pool for as long as the context lasts; -> the id of its process."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(programs, port),
            cwd=programs,  # not the checkout: Python would find our modules there
            env=pool_environment(programs, boot),
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        end(process)


def main(arguments: Sequence[str]) -> None:
    """Serves a pool in the foreground."""
    folder = Path(arguments[0]).absolute()
    port = int(arguments[1]) if len(arguments) > 1 else 50000
    boot = go_program("python/container")
    if boot is None:
        sys.exit("no boot program: go install github.com/apache/beam/sdks/v2/python/container")
    programs = bare_environment(folder)
    os.execve(programs / "python", command(programs, port), pool_environment(programs, boot))


if __name__ == "__main__":
    main(sys.argv[1:])
