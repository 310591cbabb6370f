"""Measures what it costs to start a job on a Flink cluster, and what a large text costs besides.

    mvn -B -f resources/job_servers -P flink package
    go install github.com/apache/beam/sdks/v2/python/container@v2.77.0
    python -m tests.support.start_up_speed FOLDER
    python -m tests.support.start_up_speed FOLDER --iterations 7 --text /tmp/linux.txt

starts a cluster in FOLDER (`tests.support.flink_cluster`), and counts one word on it, in turn,

- as Beam has it: workers that have apache-beam only, a pool of Beam's with its boot program, which
  installs what the job brings, and a job server of the job's own;
- as runners/README.md has it: prepared workers, and a job server that is kept.

With ``--text``, a large text is counted there too, in turn with worker processes on this machine,
one for each TaskManager. The time of one word is taken off from each.
"""

import argparse
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from apache_beam.version import __version__ as beam_version

from beam_pipeline.flags import whole_number
from tests.support import flink_cluster, worker_pool
from tests.support.cli import COMMAND, environment
from tests.support.flink_cluster import TASK_MANAGERS, FlinkCluster

BOOT = "github.com/apache/beam/sdks/v2/python/container"
# A boot program installs into the environment that it finds: each worker gets one of its own.
_START_WORKER = """\
#!/usr/bin/env bash
set -e
home=$(mktemp -d) boot=
trap 'kill $boot 2> /dev/null; wait $boot; rm -rf "$home"' EXIT
trap exit TERM INT
python -m venv --without-pip "$home/venv"
python -c 'import sys; print(*(p for p in sys.path if p.endswith("-packages")), sep="\\n")' \\
  > "$(echo "$home"/venv/lib/python*/site-packages)/pool.pth"
export PATH="$home/venv/bin:$PATH" RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 PIP_NO_COMPILE=1
cd "$home"
{boot} --semi_persist_dir="$home" "$@" > log 2>&1 &
boot=$!
wait "$boot"
"""
_WORD = ("--text=cat",)
_LOCAL = (
    "--direct_running_mode=multi_processing",
    f"--direct_num_workers={TASK_MANAGERS}",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.start_up_speed")
    parser.add_argument("folder", type=Path, help="for the cluster; it may be there from before")
    parser.add_argument("--iterations", type=whole_number(1), default=5)
    parser.add_argument("--text", type=Path, help="a large one")
    options = parser.parse_args(argv)
    boot = worker_pool.go_program(BOOT)
    if boot is None:
        sys.exit(f"no boot program: go install {BOOT}@v{beam_version}")
    folder = options.folder.absolute()
    with flink_cluster.serving(folder) as cluster:
        with _beams_pool(folder / "bare", boot) as port:
            _measure_word(cluster, port, options.iterations)
        if options.text:
            _measure_text(cluster, options.text.absolute(), options.iterations)


def _measure_word(cluster: FlinkCluster, port: int, iterations: int) -> None:
    # A pool of Beam's mixes up the workers of two TaskManagers: one of them has enough to do.
    one = {"parallelism": "1", "worker_start_timeout": "3600"}
    as_beam = {"environment_config": f"localhost:{port}", "staging": "auto"}
    ways = {
        "Beam's boot program, own job server": _with(
            cluster.options_of_own_server, **as_beam, **one
        ),
        "prepared workers, kept job server": _with(cluster.options, **one),
    }
    seconds = _in_turn(
        {way: functools.partial(_run, _WORD, options) for way, options in ways.items()}, iterations
    )
    first, *_ = seconds.values()
    print("| one word on the cluster | seconds | of the first |\n| --- | --- | --- |")
    for way, measured in seconds.items():
        print(f"| {way} | {measured:.1f} | {measured / first:.2f} |", flush=True)


def _measure_text(cluster: FlinkCluster, text: Path, iterations: int) -> None:
    job = (f"--input={text}",)
    runs = {
        (place, what): functools.partial(_run, what, options)
        for place, options in (("local", _LOCAL), ("the cluster", cluster.options))
        for what in (_WORD, job)
    }
    seconds = _in_turn(runs, iterations)
    taken = {place: seconds[place, job] - seconds[place, _WORD] for place, _ in runs}
    size = text.stat().st_size / 1e6
    print(f"\n| {size:,.0f} MB, less one word | seconds | of local |\n| --- | --- | --- |")
    for place, measured in taken.items():
        print(f"| {place} | {measured:.1f} | {measured / taken['local']:.2f} |", flush=True)


_K = TypeVar("_K")


def _in_turn(runs: Mapping[_K, Callable[[], float]], iterations: int) -> dict[_K, float]:
    """Returns the median seconds of each, after a round that is not counted."""
    measured: dict[_K, list[float]] = {name: [] for name in runs}
    for number in range(iterations + 1):
        for name, run in runs.items():
            seconds = run()
            if number:
                measured[name].append(seconds)
    return {name: statistics.median(all_seconds) for name, all_seconds in measured.items()}


def _run(job: Sequence[str], options: Sequence[str]) -> float:
    """Returns how many seconds a whole command takes."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        command = [*COMMAND, *job, f"--output={folder}/counts.json", *options]
        finished = subprocess.run(command, env=environment(), stderr=subprocess.PIPE, text=True)
        seconds = time.monotonic() - begun
    if finished.returncode:
        sys.exit(f"{' '.join(command)}\n{finished.stderr}")
    return seconds


def _with(options: Sequence[str], **replaced: str) -> list[str]:
    names = tuple(f"--{name}=" for name in replaced)
    others = [option for option in options if not option.startswith(names)]
    return [*others, *(f"--{name}={value}" for name, value in replaced.items())]


@contextlib.contextmanager
def _beams_pool(folder: Path, boot: Path) -> Iterator[int]:
    """Serves Beam's own pool, with workers that have apache-beam only; yields its port."""
    programs, port = worker_pool.bare_environment(folder), worker_pool.free_port()
    start = folder / "start_worker"
    start.write_text(_START_WORKER.format(boot=boot))
    start.chmod(0o755)
    module = "apache_beam.runners.worker.worker_pool_main"
    options = (f"--service_port={port}", f"--container_executable={start}")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with (folder / "pool.log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "python", "-m", module, *options],
            cwd=folder,
            env={**worker_pool.pool_environment(), "PATH": path},
            stdout=log,
            stderr=log,
        )
    try:
        worker_pool.wait_for(port, process)
        yield port
    finally:
        worker_pool.end(process)


if __name__ == "__main__":
    main()
