"""Checks how a portable runner starts its Python workers.

Beam calls this an environment: a Docker image, a worker pool, a program, or this process. By
default it is Docker, and a runner notices that Docker is missing only when it starts a worker.
"""

import json
import re
import shutil
import socket
import subprocess

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.version import __version__ as beam_version

from beam_pipeline.errors import UsageError

#: For how many seconds to wait for a gRPC server's first bytes. It may be on a busy machine.
GRPC_PATIENCE = 20.0
_WITHOUT_DOCKER = (
    "EXTERNAL with environment_config=HOST:PORT (a worker pool beside each of the runner's "
    "workers) or PROCESS (see beam_pipeline/runners/README.md)"
)


def check_environment(options: PipelineOptions, runner: str, *, is_runner_here: bool) -> None:
    """Checks that the runner knows how to start Python workers, and on this machine that it can.

    Args:
      options: the options of the job.
      runner: the class name of the runner.
      is_runner_here: whether the runner's own processes run on this machine.

    Raises:
      UsageError: the environment is missing, incomplete, or cannot be reached.
    """
    portable = options.view_as(PortableOptions)
    kind = portable.environment_type
    if kind is None and not is_runner_here:
        raise UsageError(
            f"tell {runner} how to start Python workers; Beam would expect Docker on each of its "
            f"machines. Give {_WITHOUT_DOCKER}, or DOCKER",
            setting="environment_type",
        )
    if kind == "EXTERNAL":
        _check_pool(portable, is_runner_here=is_runner_here)
    elif kind == "PROCESS" and runner == "PrismRunner":
        # Prism puts the worker's name in quotes, and then waits for a worker without them.
        raise UsageError(
            "prism waits for it forever; give EXTERNAL", setting="environment_type", value=kind
        )
    elif kind == "PROCESS":
        _check_command(portable, is_runner_here=is_runner_here)
    elif kind == "DOCKER" and is_runner_here:
        _check_docker()


def host_and_port(address: str) -> str | None:
    """Returns the HOST:PORT in an address that may begin with a scheme; None if it has none.

    Example:
      >>> host_and_port("spark://master:7077"), host_and_port("local[2]")
      ('master:7077', None)
    """
    found = re.fullmatch(r"(?:\w+://)?([^/]+:\d+)", address)
    return found[1] if found else None


def unreachable(address: str) -> OSError | None:
    """Returns the error of connecting to HOST:PORT; None if a server accepts connections."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        return error
    return None


def not_grpc(address: str, patience: float = GRPC_PATIENCE) -> str | None:
    """Returns an error message if the server at HOST:PORT does not speak gRPC; None if it does.

    Args:
      address: HOST:PORT.
      patience: how long to wait for its first bytes, in seconds.
    """
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=patience)
        except grpc.FutureTimeoutError:
            return "another program listens there"
    return None


def _check_pool(portable: PortableOptions, *, is_runner_here: bool) -> None:
    address = portable.environment_config or portable.lookup_environment_option(
        "external_service_address"
    )
    if not re.fullmatch(r".+:\d+", address or ""):
        raise UsageError("EXTERNAL needs HOST:PORT", setting="environment_config", value=address)
    if is_runner_here and (fault := unreachable(address) or not_grpc(address)):
        raise UsageError(
            f"no worker pool answers ({fault}); start one with "
            f"`python resources/worker_pool.py --port={address.rpartition(':')[2]}`",
            setting="environment_config",
            value=address,
        )


def _check_command(portable: PortableOptions, *, is_runner_here: bool) -> None:
    if portable.lookup_environment_option("process_command"):
        return
    config = portable.environment_config
    try:
        command = json.loads(config or "")["command"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            'PROCESS needs JSON with "command", the path of Beam\'s boot program '
            f"(go install github.com/apache/beam/sdks/v2/python/container@v{beam_version})",
            setting="environment_config",
            value=config,
        ) from None
    if is_runner_here and shutil.which(command) is None:
        raise UsageError(f"{command} is not a program", setting="environment_config", value=config)


def _check_docker() -> None:
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        raise UsageError(
            f"no Docker answers (`docker info` fails); start it, or give {_WITHOUT_DOCKER}",
            setting="environment_type",
            value="DOCKER",
        ) from None
