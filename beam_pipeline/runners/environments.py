"""The environment of a portable runner's Python workers: Docker, a pool, a program, or here.

Beam expects Docker where nothing is said, and a runner finds out only when it starts a worker.
"""

import json
import re
import shutil
import socket
import subprocess

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.version import __version__ as beam_version

from beam_pipeline.errors import UsageError

_NO_DOCKER = (
    "--environment_type=EXTERNAL --environment_config=HOST:PORT (a worker pool beside each of the "
    "runner's workers) or PROCESS (see README)"
)


def check_environment(options: PipelineOptions, runner: str, *, here: bool) -> None:
    """Checks where the runner's Python workers come from, and on this machine that they do.

    Args:
      here: whether the runner's own processes run on this machine.

    Raises:
      UsageError: it is not said, said wrongly, or not there.
    """
    portable = options.view_as(PortableOptions)
    kind = portable.environment_type
    if kind is None and not here:
        raise UsageError(
            f"--environment_type: tell {runner} how to start Python workers; Beam would expect "
            f"Docker on each of its machines. Give {_NO_DOCKER}, or DOCKER"
        )
    if kind == "EXTERNAL":
        address = portable.environment_config or portable.lookup_environment_option(
            "external_service_address"
        )
        if not re.fullmatch(r".+:\d+", address or ""):
            raise UsageError(f"--environment_config={address}: EXTERNAL needs HOST:PORT")
        if here and (fault := unreachable(address)):
            raise UsageError(
                f"--environment_config={address}: no worker pool answers ({fault}); start one with "
                "`python -m apache_beam.runners.worker.worker_pool_main "
                f"--service_port={address.rpartition(':')[2]} "
                "--container_executable=/path/of/boot`"
            )
    elif kind == "PROCESS" and runner == "PrismRunner":
        # It puts the worker's name in quotes, and then waits for a worker without them.
        raise UsageError("--environment_type=PROCESS: prism waits for it forever; give EXTERNAL")
    elif kind == "PROCESS":
        _check_command(portable, here=here)
    elif kind == "DOCKER" and here:
        _check_docker()


def host_and_port(master: str) -> str | None:
    """The HOST:PORT of what may be given with a scheme, if there is one in it."""
    found = re.fullmatch(r"(?:\w+://)?([^/]+:\d+)", master)
    return found[1] if found else None


def unreachable(address: str) -> OSError | None:
    """Why nobody answers at HOST:PORT, if that is so."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        return error
    return None


def _check_command(portable: PortableOptions, *, here: bool) -> None:
    if portable.lookup_environment_option("process_command"):
        return
    config = portable.environment_config
    try:
        command = json.loads(config or "")["command"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f'--environment_config={config}: PROCESS needs JSON with "command", the path of '
            f"Beam's boot program (go install github.com/apache/beam/sdks/v2/python/container"
            f"@v{beam_version})"
        ) from None
    if here and shutil.which(command) is None:
        raise UsageError(f"--environment_config={config}: {command} is no program")


def _check_docker() -> None:
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        raise UsageError(
            "--environment_type=DOCKER: no Docker answers (`docker info` fails); "
            f"start it, or give {_NO_DOCKER}"
        ) from None
