"""An orchestrator in a process of its own, as the comparison sees it."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from beam_pipeline.benchmark.child_environment import child_environment
from beam_pipeline.benchmark.compare.channel import Channel
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.worker import SIGN_OF_LIFE
from beam_pipeline.monitor.process_tree import TreeSampler
from transforms.stages.chaos import Chaos

# How much of what a process has printed is looked at for its last line, in bytes, and how much of
# that line is shown.
_LOG_TAIL = 2000
_MAX_LINE = 200


class OrchestratorProcess:
    """Starts an orchestrator when it gets its first text, and again after it was stopped.

    Between its runs it is paused, with all its processes: it can neither work ahead nor disturb
    the others.

    Args:
      path: the file of the orchestrator.
      chaos: the faults to work under, see `transforms.stages.chaos.Chaos.parse`.
      sampling_interval: seconds between two samples of memory and processor time.
      start_timeout: seconds in which the orchestrator must be ready.
      supervisor_timeout: seconds in which its supervisor must answer, or end behind it.

    Attributes:
      name: of the file.
      start_seconds: how long each start took: process, imports, constructor.
      cannot_start: why it cannot be started, in one line; empty if it can.
      violations: rules of the interface that it breaks, each in a few words.
    """

    def __init__(
        self,
        path: Path,
        chaos: str = "",
        *,
        sampling_interval: float = 0.02,
        start_timeout: float = 120.0,
        supervisor_timeout: float = 30.0,
    ):
        self.name = path.stem
        self.start_seconds: list[float] = []
        self.cannot_start = ""
        self.violations: set[str] = set()
        self._path = path
        self._chaos = chaos
        self._sampling_interval = sampling_interval
        self._start_timeout = start_timeout
        self._supervisor_timeout = supervisor_timeout
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._signs_of_life = -1
        self._seen: set[psutil.Process] = set()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as this object)

    def run(self, text: bytes, timeout: float) -> Run:
        """Hands over a text, and waits for the answer.

        Args:
          text: in UTF-8.
          timeout: seconds after which the orchestrator is stopped.
        """
        if self._supervisor is not None and not (self._supervisor_answers() and self.processes()):
            self.stop()
        if self._supervisor is None:
            self._start()
        if self._supervisor is None or self._channel is None:
            return Run(Status.CRASHED, error=self.cannot_start)
        self._signal("resume")
        with TreeSampler(self._supervisor.pid, self._sampling_interval) as sampler:
            outcome = self._exchange(self._channel, text, timeout)
        if outcome["status"] == Status.DONE and not self._supervisor_answers():
            outcome |= {"status": Status.CRASHED, "error": "its supervisor has ended"}
        self._seen |= sampler.processes
        run = Run(
            **outcome,
            peak_bytes=sampler.peak_bytes,
            growth_bytes=sampler.growth_bytes,
            peak_process_bytes=sampler.peak_process_bytes,
            cpu_seconds=sampler.cpu_seconds,
        )
        if run.status in (Status.TIMEOUT, Status.CRASHED):
            self.stop()
        else:
            self._signal("suspend")
        return run

    def processes(self) -> list[psutil.Process]:
        """Returns the worker and all that it has started, as far as they are alive."""
        if self._supervisor is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(self._supervisor.pid).children(recursive=True)
            return [process for process in below if _is_alive(process)]
        return []

    def stop(self) -> None:
        """Ends the orchestrator and whatever it has started."""
        if self._supervisor is None or self._channel is None:
            return
        while left := self.processes():
            _kill(left)
            time.sleep(0.005)
        _kill(self._seen)  # without a supervisor they are not below it any more
        self._seen.clear()
        self._channel.close()
        os.close(self._signs_of_life)
        self._supervisor.kill()
        self._supervisor.wait()
        self._supervisor = self._channel = None

    def _start(self) -> None:
        began = time.monotonic()
        ours, theirs = socket.socketpair()
        self._signs_of_life, pipe = os.pipe()
        with theirs:
            try:
                self._supervisor = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "beam_pipeline.benchmark.compare.worker"),
                        *(str(theirs.fileno()), str(pipe)),
                        *(str(self._path), self._chaos_of_start()),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[theirs.fileno(), pipe],
                    start_new_session=True,
                    env=child_environment(),
                )
            finally:
                os.close(pipe)
        self._channel = Channel(ours)
        self._channel.limit(self._start_timeout)
        try:
            greeting = self._channel.receive()
        except (EOFError, OSError) as error:
            greeting = {"error": self._how_it_ended(error)}
        except ValueError as error:
            greeting = {"error": str(error)}
        self.start_seconds.append(time.monotonic() - began)
        self._check_greeting(greeting)
        if self.cannot_start:
            self.stop()
        else:
            self._signal("suspend")

    def _chaos_of_start(self) -> str:
        """Returns the chaos with another seed for each start, or the same faults would return."""
        if not self._chaos:
            return ""
        return f"{self._chaos},seed={Chaos.parse(self._chaos).seed + len(self.start_seconds)}"

    def _check_greeting(self, greeting: Any) -> None:
        if not isinstance(greeting, dict) or "error" in greeting:
            error = greeting.get("error") if isinstance(greeting, dict) else None
            self.cannot_start = str(error or "it did not say that it is ready")
            return
        if not greeting.get("rejects_other_types"):
            self.violations.add("accepts what is not a str")
        if self._chaos and not greeting.get("takes_chaos"):
            self.violations.add("does not take chaos")

    def _exchange(self, channel: Channel, text: bytes, timeout: float) -> dict[str, Any]:
        """Hands over a text, waits for the answer, and returns what a `Run` says of it."""
        began = received = time.monotonic()
        channel.limit(timeout)
        try:
            channel.send_text(text)
            channel.receive()
            received = time.monotonic()
            outcome = _checked_answer(channel.receive())
        except TimeoutError:
            outcome = {"status": Status.TIMEOUT, "error": f"stopped after {timeout:g} s"}
        except (EOFError, OSError) as error:
            outcome = {"status": Status.CRASHED, "error": self._how_it_ended(error)}
        except ValueError as error:
            outcome = {"status": Status.FAILED, "error": f"not a proper answer: {error}"}
        seconds = time.monotonic() - began
        return {**outcome, "seconds": seconds, "handover_seconds": received - began}

    def _supervisor_answers(self) -> bool:
        """Asks the supervisor for a sign of life.

        One that was killed before this question never answers it, however long it takes to die:
        of all signals that wait for a process SIGKILL comes first.
        """
        assert self._supervisor is not None
        while self._can_read_sign(0) and os.read(self._signs_of_life, 1):
            pass  # one that the orchestrator has asked for
        self._supervisor.send_signal(SIGN_OF_LIFE)
        answered = self._can_read_sign(self._supervisor_timeout)
        if answered and os.read(self._signs_of_life, 1):
            return True
        if not answered or self._supervisor.wait() < 0:
            self.violations.add("stops or kills its supervisor")
        return False

    def _can_read_sign(self, timeout: float) -> bool:
        """Waits until there is a sign of life, or the end of a supervisor that has ended."""
        readable, _, _ = select.select([self._signs_of_life], [], [], timeout)
        return bool(readable)

    def _how_it_ended(self, error: Exception) -> str:
        assert self._supervisor is not None
        if isinstance(error, TimeoutError):
            return f"not ready after {self._start_timeout:g} s"
        try:
            code = self._supervisor.wait(self._supervisor_timeout)
        except subprocess.TimeoutExpired:
            return "the process closed its channel"
        how = f"by signal {code - 128}" if code > 128 else f"with code {code}"
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LOG_TAIL))
        printed = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return f"the process ended {how}" + (f": {printed[-1][:_MAX_LINE]}" if printed else "")

    def _signal(self, action: str) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                getattr(process, action)()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _checked_answer(message: Any) -> dict[str, Any]:
    """Returns what a `Run` says of a worker's message.

    Raises:
      ValueError: the message is not of the form agreed.
    """
    if not isinstance(message, dict):
        raise ValueError("it is not an object")
    if isinstance(message.get("error"), str):
        return {"status": Status.FAILED, "error": message["error"]}
    answer = message.get("answer")
    if not isinstance(answer, dict):
        raise ValueError("it is not a dict")
    runtime, counts = answer.get("runtime"), answer.get("anagram_counts")
    if isinstance(runtime, bool) or not isinstance(runtime, (int, float)) or runtime < 0:
        raise ValueError("runtime is not a number of milliseconds")
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise ValueError("anagram_counts does not map words to whole numbers")
    return {"status": Status.DONE, "counts": counts, "reported_ms": float(runtime)}
