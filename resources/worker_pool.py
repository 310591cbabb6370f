"""A worker pool: starts the Python workers of Beam jobs with an EXTERNAL environment.

    python resources/worker_pool.py --port 50001

It needs nothing but apache-beam, and starts workers with its own Python. There are two kinds:

- Prepared workers have what jobs need, as the pool's Python has it. They start at once. Jobs for
  them are submitted with ``--staging=none``.
- For a job that brings packages, a worker gets a virtual environment, which sees the pool's
  packages. pip installs in one step what was staged. The environment is removed with the worker.

It differs from Beam's own pool, `apache_beam.runners.worker.worker_pool_main`, in that

- runners that number their workers alike, as the TaskManagers of a Flink cluster do, can share it;
- a worker that cannot start fails its job, with the reason, rather than let it wait forever;
- it serves this machine only, unless it is told otherwise, and never shares its port;
- it needs no boot program, and ends its workers however it is ended, but for SIGKILL.

POSIX only.
"""

import argparse
import contextlib
import errno
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import (
    beam_artifact_api_pb2,
    beam_artifact_api_pb2_grpc,
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    beam_runner_api_pb2,
)
from google.protobuf import json_format, text_format

_WORKER = "apache_beam.runners.worker.sdk_worker_main"
_STAGED = "beam:artifact:role:staging_to:v1"
_PACKAGES = (".whl", ".tar.gz", ".zip")
#: Seconds that a worker is given to end.
_GRACE = 10
# What a job is submitted with may differ from what its workers are, but for the minor version.
_PYTHON = "submitted_with_python="
# The type of errors that are shown to whoever has submitted the job.
_USER_ERROR = "transforms.errors.AnagramError"
_UNLIMITED = [("grpc.max_receive_message_length", -1)]


class StartError(Exception):
    """A worker cannot be started."""


@dataclass
class Worker:
    """A worker that has been asked for.

    Attributes:
      control: HOST:PORT that it takes its work from. With its id it is unique on this machine.
      home: a folder of its own.
      process: that runs it, once it has been started.
      is_unwanted: whether it is to end, or has.
    """

    control: str
    home: Path
    process: "subprocess.Popen[bytes] | None" = None
    is_unwanted: bool = False

    def is_needed(self) -> bool:
        """Returns whether its runner still has work for it, as far as is known."""
        if self.is_unwanted or (self.process is not None and self.process.poll() is not None):
            return False
        host, _, port = self.control.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Ends the process."""
        self.is_unwanted = True
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts and ends workers."""

    def __init__(self) -> None:
        self._workers: list[tuple[str, Worker]] = []
        self._lock = threading.Lock()

    def StartWorker(  # noqa: N802
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        home = Path(tempfile.mkdtemp(prefix="beam-worker-"))
        worker = Worker(request.control_endpoint.url, home)
        with self._lock:
            self._workers.append((request.worker_id, worker))
        threading.Thread(target=_run, args=(request, worker), daemon=True).start()
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(  # noqa: N802
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: object
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        # A runner closes what its worker is connected to before it stops it. With that, its worker
        # can be told from that of another runner with the same id. Prism only stops it.
        with self._lock:
            named = [worker for name, worker in self._workers if name == request.worker_id]
            ended = [worker for worker in named if not worker.is_needed()] or named
            self._workers = [(name, one) for name, one in self._workers if one not in ended]
        for worker in ended:
            worker.end()
        return beam_fn_api_pb2.StopWorkerResponse()

    def close(self) -> None:
        """Ends all workers."""
        with self._lock:
            workers, self._workers = self._workers, []
        for _, worker in workers:
            worker.end()
            shutil.rmtree(worker.home, ignore_errors=True)


def _run(request: beam_fn_api_pb2.StartWorkerRequest, worker: Worker) -> None:
    """Runs a worker to its end, and says why if it cannot start."""
    log = worker.home / "log"
    try:
        command, environment = _prepare(request, worker.home)
        with log.open("wb") as output:
            worker.process = subprocess.Popen(
                command, cwd=worker.home, env=environment, stdout=output, stderr=output
            )
        if worker.is_unwanted:  # in the meantime
            worker.end()
        if worker.process.wait() > 0 and not worker.is_unwanted:
            raise StartError(_reason(log.read_text(errors="replace")))
    except Exception as error:
        if worker.is_unwanted:
            return
        reason = f"a worker of the pool cannot run: {' '.join(str(error).split())}"
        print(f"worker {request.worker_id} of {worker.control}: {reason}", file=sys.stderr)
        if log.exists():
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
        _fail(request, reason)
    finally:
        shutil.rmtree(worker.home, ignore_errors=True)


def _prepare(
    request: beam_fn_api_pb2.StartWorkerRequest, home: Path
) -> tuple[list[str], dict[str, str]]:
    """Returns the command of a worker and its environment, with what its job brings installed.

    Raises:
      StartError: the job was submitted with another Python, or cannot be installed.
      grpc.RpcError: the runner does not answer.
    """
    identity = [("worker_id", request.worker_id)]
    with grpc.insecure_channel(request.provision_endpoint.url) as channel:
        provision = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        info = provision.GetProvisionInfo(
            beam_provision_api_pb2.GetProvisionInfoRequest(), metadata=identity
        ).info
    options = json_format.MessageToDict(info.pipeline_options)
    _check_python(json.dumps(options))
    # Where the runner says nothing in the one place, it has said it in the other.
    endpoint = request.artifact_endpoint.url or info.artifact_endpoint.url
    staged = home / "staged"
    staged.mkdir()
    with grpc.insecure_channel(endpoint, options=_UNLIMITED) as channel:
        _fetch(channel, info.dependencies, staged, identity)
    python = _install(staged, home) or sys.executable
    control = request.control_endpoint if request.control_endpoint.url else info.control_endpoint
    logging = request.logging_endpoint if request.logging_endpoint.url else info.logging_endpoint
    (home / "options.json").write_text(json.dumps(options))
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return [str(python), "-m", _WORKER], {
        **inherited,
        "WORKER_ID": request.worker_id,
        "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
        "LOGGING_API_SERVICE_DESCRIPTOR": text_format.MessageToString(logging),
        "PIPELINE_OPTIONS_FILE": str(home / "options.json"),
        "SEMI_PERSISTENT_DIRECTORY": str(home),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def _check_python(options: str) -> None:
    ours = "{}.{}".format(*sys.version_info)
    theirs = re.search(rf"{_PYTHON}(\d+\.\d+)", options)
    if theirs and theirs[1] != ours:
        raise StartError(f"it has Python {ours}, and the job was submitted with {theirs[1]}")


def _fetch(
    channel: grpc.Channel,
    dependencies: Sequence[beam_runner_api_pb2.ArtifactInformation],
    folder: Path,
    identity: list[tuple[str, str]],
) -> None:
    """Copies what a job has staged into a folder."""
    if not dependencies:
        return
    service = beam_artifact_api_pb2_grpc.ArtifactRetrievalServiceStub(channel)
    resolved = service.ResolveArtifacts(
        beam_artifact_api_pb2.ResolveArtifactsRequest(artifacts=dependencies), metadata=identity
    )
    for artifact in resolved.replacements:
        if artifact.role_urn != _STAGED:
            continue
        role = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload)
        wanted = beam_artifact_api_pb2.GetArtifactRequest(artifact=artifact)
        with (folder / Path(role.staged_name).name).open("wb") as file:
            for chunk in service.GetArtifact(wanted, metadata=identity):
                file.write(chunk.data)


def _install(staged: Path, home: Path) -> Path | None:
    """Installs the packages that were staged.

    Returns:
      The Python that has them; None if there are none.
    """
    packages = [str(path) for path in staged.iterdir() if path.name.endswith(_PACKAGES)]
    requirements = staged / "requirements.txt"
    wanted = [line for line in _lines(requirements) if not line.startswith("#")]
    if not packages and not wanted:
        return None
    python = home / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    # A virtual environment inherits nothing from another one.
    (site,) = (home / "venv").glob("lib/python*/site-packages")
    inherited = [path for path in sys.path if path.endswith("-packages")]
    (site / "pool.pth").write_text("\n".join([*inherited, ""]))
    # Requirements are staged as files too: what is required is taken from there.
    ours = [path for path in packages if not _is_required(path, wanted)]
    pip = [str(python), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check"]
    sources = ["--find-links", str(staged), *(["-r", str(requirements)] if wanted else [])]
    finished = subprocess.run([*pip, *sources, *ours], stderr=subprocess.PIPE, text=True)
    if finished.returncode:
        raise StartError(_reason(finished.stderr))
    return python


def _lines(path: Path) -> list[str]:
    return path.read_text().split("\n") if path.exists() else []


def _is_required(path: str, wanted: Sequence[str]) -> bool:
    name = re.split(r"-\d", Path(path).name)[0]
    names = {re.split(r"[^\w.-]", line)[0] for line in wanted}
    return _canonical(name) in map(_canonical, names)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _reason(log: str) -> str:
    """Returns the line of a log that says best why a program has failed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|ERROR)\b", line)]
    return (named or lines or ["it ended without a word"])[-1]


def _fail(request: beam_fn_api_pb2.StartWorkerRequest, reason: str) -> None:
    """Fails whatever a runner asks of a worker that cannot start, as the worker itself would."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def until_end() -> Iterator[beam_fn_api_pb2.InstructionResponse]:
        while (answer := answers.get()) is not None:
            yield answer

    with (
        contextlib.suppress(grpc.RpcError),  # the runner has given up
        grpc.insecure_channel(request.control_endpoint.url, options=_UNLIMITED) as channel,
    ):
        control = beam_fn_api_pb2_grpc.BeamFnControlStub(channel)
        identity = [("worker_id", request.worker_id)]
        for instruction in control.Control(until_end(), metadata=identity):
            answer = beam_fn_api_pb2.InstructionResponse(instruction_id=instruction.instruction_id)
            answer.error = f"{_USER_ERROR}: {reason}"
            if instruction.HasField("process_bundle"):
                # Runners in Java wait for minutes until somebody is there to receive its data.
                wanted = beam_fn_api_pb2.GetProcessBundleDescriptorRequest(
                    process_bundle_descriptor_id=instruction.process_bundle.process_bundle_descriptor_id
                )
                bundle = control.GetProcessBundleDescriptor(wanted, metadata=identity)
                for url in _data_endpoints(bundle):
                    threading.Thread(target=_receive, args=(url, identity), daemon=True).start()
            answers.put(answer)


def _data_endpoints(bundle: beam_fn_api_pb2.ProcessBundleDescriptor) -> set[str]:
    """Returns where the data of a bundle comes from, each as HOST:PORT."""
    return {
        beam_fn_api_pb2.RemoteGrpcPort.FromString(transform.spec.payload).api_service_descriptor.url
        for transform in bundle.transforms.values()
        if transform.spec.urn in ("beam:runner:source:v1", "beam:runner:sink:v1")
    }


def _receive(url: str, identity: list[tuple[str, str]]) -> None:
    """Takes the data of bundles, for nothing, until the runner sends no more."""
    never = threading.Event()

    def nothing() -> Iterator[beam_fn_api_pb2.Elements]:
        never.wait()
        yield beam_fn_api_pb2.Elements()

    with (
        contextlib.suppress(grpc.RpcError),
        grpc.insecure_channel(url, options=_UNLIMITED) as channel,
    ):
        for _ in beam_fn_api_pb2_grpc.BeamFnDataStub(channel).Data(nothing(), metadata=identity):
            pass


def _check_free(host: str, port: int) -> None:
    """Checks that no other program has the port on any address of a host.

    gRPC would listen on the other addresses, and clients might reach that program.

    Raises:
      OSError: another program has it, or the host is unknown.
    """
    for each in ("127.0.0.1", "::1") if host == "localhost" else (host,):
        for family, *_, address in socket.getaddrinfo(each, port, type=socket.SOCK_STREAM):
            try:
                socket.create_server(address[:2], family=family).close()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until a signal ends it."""
    parser = argparse.ArgumentParser(description="Starts the Python workers of Beam jobs.")
    parser.add_argument(
        "--host", default="localhost", help="where to listen (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=50000, help="(default: %(default)s)")
    settings = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    pool = WorkerPool()
    server = grpc.server(ThreadPoolExecutor(), options=[("grpc.so_reuseport", 0)])
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    address = f"{settings.host}:{settings.port}"
    try:
        _check_free(settings.host, settings.port)
        server.add_insecure_port(address)
    except (OSError, RuntimeError):
        sys.exit(f"error: {address} is in use, or is no address of this machine")
    server.start()
    print(f"worker pool at {address}", file=sys.stderr, flush=True)
    while not stopped.wait(3600):
        pass
    server.stop(grace=None)
    pool.close()


if __name__ == "__main__":
    main()
