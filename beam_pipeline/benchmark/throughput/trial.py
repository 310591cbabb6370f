"""A command in a process of its own, timed, with the memory and CPU of all it starts."""

import contextlib
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from beam_pipeline.benchmark.compare.orchestrator_process import environment
from beam_pipeline.monitor.process_tree import TreeSampler

_INTERVAL = 0.05


@dataclass(frozen=True)
class Trial:
    """What is to be measured.

    Attributes:
      section: of the table; within it trials are compared.
      name: what it is, in a few words.
      command: its arguments; empty where something is missing.
      size_bytes: of the text it goes through.
      missing: what it would need.
      is_self_timed: it prints its own seconds (a part of a program cannot be timed from outside).
    """

    section: str
    name: str
    command: Sequence[str]
    size_bytes: int
    missing: str = ""
    is_self_timed: bool = False


@dataclass(frozen=True)
class Figures:
    """What a trial took: `seconds`, memory in bytes, or else the `error` in one line.

    Attributes:
      peak_bytes: of the whole process tree.
      peak_process_bytes: of the largest process.
      cpu_seconds: of the whole tree.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    peak_process_bytes: int = 0
    cpu_seconds: float = 0.0
    error: str = ""


def measure(trial: Trial, timeout: float) -> Figures:
    """Runs `trial` once; it is stopped, with all it has started, after `timeout` seconds."""
    if trial.missing:
        return Figures(error=f"missing: {trial.missing}")
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complaints:
        before = _children_cpu_seconds()
        began = time.monotonic()
        process = subprocess.Popen(
            trial.command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=complaints,
            start_new_session=True,
            env=environment(),
        )
        with TreeSampler(process.pid, _INTERVAL) as sampler:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                return Figures(error=f"stopped after {timeout:g} s")
            finally:
                _kill(process)
            seconds = time.monotonic() - began
        if process.returncode:
            return Figures(error=f"exit code {process.returncode}: {_last_line(complaints)}")
        if trial.is_self_timed:
            printed.seek(0)
            seconds = json.load(printed)["seconds"]
    # The system knows what took the processor since the last sample.
    cpu_seconds = max(sampler.cpu_seconds, _children_cpu_seconds() - before)
    return Figures(seconds, sampler.peak_bytes, sampler.peak_process_bytes, cpu_seconds)


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


def _last_line(file: Any) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
    lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
