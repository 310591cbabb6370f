"""Runs a command in its own process, and measures time, memory and CPU of its process tree."""

import contextlib
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

import psutil

from beam_pipeline.benchmark.child_environment import child_environment
from beam_pipeline.monitor.process_tree import Sample, TreeSampler

_LOG_TAIL = 2000
_MAX_LINE = 200


@dataclass(frozen=True)
class Trial:
    """A command to be measured.

    Attributes:
      section: of the table; trials are compared within it.
      name: what the command does, in a few words.
      command: its arguments.
      size_bytes: of the text it goes through.
      missing: what it needs that is not here; empty if it can run.
      is_self_timed: whether it prints its own seconds, as ``{"seconds": ...}``: a part of a
        program cannot be timed from outside.
    """

    section: str
    name: str
    command: Sequence[str]
    size_bytes: int
    missing: str = ""
    is_self_timed: bool = False


@dataclass(frozen=True)
class Measurement:
    """What one run of a trial took.

    Attributes:
      seconds: from its start to its end, or what it has printed.
      peak_bytes: the most memory that the whole process tree had.
      peak_process_bytes: the most memory that any one process had.
      cpu_seconds: processor time of the whole tree.
      error: why there are no figures, in one line; empty if there are.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    peak_process_bytes: int = 0
    cpu_seconds: float = 0.0
    error: str = ""


def measure(
    trial: Trial,
    timeout: float,
    *,
    sampling_interval: float = 0.05,
    on_sample: Callable[[Sample], None] | None = None,
) -> Measurement:
    """Runs a trial once.

    Args:
      trial: what to run.
      timeout: seconds after which it is stopped, with all it has started.
      sampling_interval: seconds between two samples of memory and processor time.
      on_sample: called with each sample, in a thread of its own.
    """
    if trial.missing:
        return Measurement(error=f"missing: {trial.missing}")
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        before = _children_cpu_seconds()
        began = time.monotonic()
        process = subprocess.Popen(
            trial.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            env=child_environment(),
        )
        with TreeSampler(process.pid, sampling_interval, on_sample) as sampler:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                return Measurement(error=f"stopped after {timeout:g} s")
            finally:
                _kill(process)
            seconds = time.monotonic() - began
        if process.returncode:
            return Measurement(error=f"exit code {process.returncode}: {_last_line(errors)}")
        if trial.is_self_timed:
            output.seek(0)
            seconds = json.load(output)["seconds"]
    # The system's accounting includes the usage after the last sample.
    cpu_seconds = max(sampler.cpu_seconds, _children_cpu_seconds() - before)
    return Measurement(seconds, sampler.peak_bytes, sampler.peak_process_bytes, cpu_seconds)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()


def _last_line(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL))
    lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:_MAX_LINE] if lines else ""
