"""The worker pool in resources/ ends the right workers, and says why one cannot start."""

import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2

from tests.support import worker_pool
from tests.support.cli import GIVE_UP
from tests.support.worker_pool import LOOPBACK_ADDRESSES, POOL


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The module that the program is."""
    spec = importlib.util.spec_from_file_location("worker_pool_program", POOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for its names
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runner() -> Iterator[socket.socket]:
    """What a worker is connected to as long as its runner has work for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def at(server: socket.socket) -> str:
    return f"localhost:{server.getsockname()[1]}"


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", str(GIVE_UP)])


def test_one_of_two_workers_with_one_id_is_stopped(
    program: ModuleType, runner: socket.socket, tmp_path: Path
) -> None:
    """Each TaskManager of a Flink cluster has a worker 1-1."""
    pool, stop = program.WorkerPool(), beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        workers = [program.Worker(at(one), tmp_path, sleeper()) for one in (runner, other)]
    try:
        pool._workers += [("1-1", worker) for worker in workers]
        pool.StopWorker(stop, None)
        assert [worker.process.poll() for worker in workers] == [None, -signal.SIGTERM]
        pool.StopWorker(stop, None)  # by Prism, which goes on to be there for others
        assert workers[0].process.poll() == -signal.SIGTERM
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()


def test_a_worker_that_has_died_is_the_one_that_is_stopped(
    program: ModuleType, runner: socket.socket, tmp_path: Path
) -> None:
    pool, stop = program.WorkerPool(), beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1")
    workers = [program.Worker(at(runner), tmp_path, sleeper()) for _ in range(2)]
    try:
        workers[1].process.kill()
        workers[1].process.wait()
        pool._workers += [("1-1", worker) for worker in workers]
        pool.StopWorker(stop, None)
        assert workers[0].process.poll() is None
        pool.close()
        assert workers[0].process.poll() == -signal.SIGTERM
    finally:
        workers[0].process.kill()
        workers[0].process.wait()


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "Traceback:\n  File\nModuleNotFoundError: No module named 'x'\nended\n",
            "ModuleNotFoundError: No module named 'x'",
        ),
        (
            "ERROR: Could not find a version\nERROR: No matching distribution found for numba\n\n",
            "ERROR: No matching distribution found for numba",
        ),
        ("first\nlast\n", "last"),
        ("", "it ended without a word"),
    ],
)
def test_the_line_that_says_why(log: str, reason: str, program: ModuleType) -> None:
    assert program._reason(log) == reason


def test_a_port_is_for_one_pool_and_this_machine_only(tmp_path: Path) -> None:
    """gRPC would let two pools share a port, and workers would come from either."""
    programs, port = Path(sys.executable).parent, worker_pool.free_port()
    with worker_pool.serving(programs, port, tmp_path / "log") as pid:
        second = subprocess.run(worker_pool.command(programs, port), capture_output=True, text=True)
        assert second.returncode == 1
        assert f"error: localhost:{port} is in use" in second.stderr
        listening = psutil.Process(pid).net_connections("tcp")
        addresses = {one.laddr.ip for one in listening if one.laddr.port == port}
        assert addresses <= LOOPBACK_ADDRESSES


@pytest.mark.parametrize(
    ("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_a_port_that_another_program_has_at_one_address_is_refused(
    address: str, family: socket.AddressFamily
) -> None:
    """gRPC would listen at the other one only, and runners would reach the other program."""
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6")
    with socket.create_server((address, 0), family=family) as other:
        port = other.getsockname()[1]
        command = worker_pool.command(Path(sys.executable).parent, port)
        refused = subprocess.run(command, capture_output=True, text=True, timeout=GIVE_UP)
    assert refused.returncode == 1
    assert f"error: localhost:{port} is in use" in refused.stderr


def test_another_python_than_the_jobs_is_refused(program: ModuleType) -> None:
    program._check_python("submitted_with_python={}.{}".format(*sys.version_info))
    program._check_python("{}")
    with pytest.raises(program.StartError, match=r"the job was submitted with 2\.7"):
        program._check_python('{"experiments": ["submitted_with_python=2.7"]}')
