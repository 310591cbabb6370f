"""An orchestrator in a process of its own, as the harness sees it."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from beam_pipeline.benchmark.compare.channel import Channel
from beam_pipeline.monitor.process_tree import TreeSampler
from transforms.stages.chaos import Chaos

#: Seconds between two samples of memory.
SAMPLING_INTERVAL = 0.02
_START_SECONDS = 120
# Who is killed is gone after that, on a busy machine too.
_DYING_SECONDS = 0.02
_CHECKOUT = Path(__file__).parents[3]

DONE, FAILED, TIMEOUT, CRASHED = "done", "failed", "timeout", "crashed"


@dataclass(frozen=True)
class Run:
    """What became of one text. All is measured from outside, `reported_ms` apart.

    Attributes:
      status: ``done``, ``failed`` (an exception, or no proper answer), ``timeout``, ``crashed``.
      seconds: from the begin of the hand-over of the text until the whole answer had come.
      handover_seconds: of these, until the worker said that it had the text.
      peak_bytes, growth_bytes: of the memory of the whole process tree, and its excess over
        what there was before.
      peak_process_bytes: the most of any one process.
      cpu_seconds: of the whole tree.
      counts: the answer.
      reported_ms: the runtime that the orchestrator claims.
      error: what went wrong, in one line.
    """

    status: str
    seconds: float = 0.0
    handover_seconds: float = 0.0
    peak_bytes: int = 0
    growth_bytes: int = 0
    peak_process_bytes: int = 0
    cpu_seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    reported_ms: float = 0.0
    error: str = ""


class Contestant:
    """Starts the orchestrator of `path` when it is first asked, and again when it was stopped.

    It is paused, with all its processes, while it is not asked: it can neither work ahead nor
    disturb others.

    Attributes:
      name: of the file.
      start_seconds: of each start: process, imports, constructor.
      cannot_start: why not, in one line, else empty.
      breaches: rules of the interface that it breaks, each in a few words.
    """

    def __init__(self, path: Path, chaos: str = ""):
        self.name = path.stem
        self.start_seconds: list[float] = []
        self.cannot_start = ""
        self.breaches: set[str] = set()
        self._path = path
        self._chaos = chaos
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._seen: set[psutil.Process] = set()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as this object)

    def ask(self, text: bytes, timeout: float) -> Run:
        """-> what becomes of `text`, which is in UTF-8; it is stopped after `timeout` seconds."""
        if self._process is not None and self._has_ended(self._process):
            self.stop()
        if self._process is None:
            self._start()
        if self._process is None or self._channel is None:
            return Run(CRASHED, error=self.cannot_start)
        self._signal("resume")
        with TreeSampler(self._process.pid, SAMPLING_INTERVAL) as sampler:
            outcome = self._exchange(self._channel, text, timeout)
        if outcome["status"] == DONE and self._has_ended(self._process):
            outcome |= {"status": CRASHED, "error": "its keeper has ended"}
        self._seen |= sampler.processes
        run = Run(
            **outcome,
            peak_bytes=sampler.peak_bytes,
            growth_bytes=sampler.growth_bytes,
            peak_process_bytes=sampler.peak_process_bytes,
            cpu_seconds=sampler.cpu_seconds,
        )
        if run.status in (TIMEOUT, CRASHED):
            self.stop()
        else:
            self._signal("suspend")
        return run

    def stop(self) -> None:
        """Ends the orchestrator and whatever it has started."""
        if self._process is None or self._channel is None:
            return
        while left := list(self._descendants()):
            _kill(left)
            time.sleep(0.005)
        _kill(self._seen)  # who has ended the keeper is not below it any more
        self._seen.clear()
        self._channel.close()
        self._process.kill()
        self._process.wait()
        self._process = self._channel = None

    def _start(self) -> None:
        began = time.monotonic()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "beam_pipeline.benchmark.compare.worker"),
                    *(str(theirs.fileno()), str(self._path), self._chaos_of_start()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=environment(),
            )
        self._channel = Channel(ours)
        self._channel.limit(_START_SECONDS)
        try:
            greeting = self._channel.receive()
        except (EOFError, OSError) as error:
            greeting = {"error": self._how_it_ended(error)}
        except ValueError as error:
            greeting = {"error": str(error)}
        self.start_seconds.append(time.monotonic() - began)
        self._judge(greeting)
        if self.cannot_start:
            self.stop()
        else:
            self._signal("suspend")

    def _chaos_of_start(self) -> str:
        """The chaos, with other faults for each start: else the same ones would strike again."""
        if not self._chaos:
            return ""
        return f"{self._chaos},seed={Chaos.parse(self._chaos).seed + len(self.start_seconds)}"

    def _judge(self, greeting: Any) -> None:
        if not isinstance(greeting, dict) or "error" in greeting:
            error = greeting.get("error") if isinstance(greeting, dict) else None
            self.cannot_start = str(error or "no proper greeting")
            return
        if not greeting.get("refuses_what_is_no_text"):
            self.breaches.add("takes what is no text")
        if self._chaos and not greeting.get("takes_chaos"):
            self.breaches.add("takes no chaos")

    def _exchange(self, channel: Channel, text: bytes, timeout: float) -> dict[str, Any]:
        """Hands over `text`, and waits for the answer. -> fields of a `Run`."""
        began = received = time.monotonic()
        channel.limit(timeout)
        try:
            channel.send_text(text)
            channel.receive()
            received = time.monotonic()
            message = channel.receive()
            outcome = _checked(message)
        except TimeoutError:
            outcome = {"status": TIMEOUT, "error": f"stopped after {timeout:g} s"}
        except (EOFError, OSError) as error:
            outcome = {"status": CRASHED, "error": self._how_it_ended(error)}
        except ValueError as error:
            outcome = {"status": FAILED, "error": f"no proper answer: {error}"}
        seconds = time.monotonic() - began
        return {**outcome, "seconds": seconds, "handover_seconds": received - began}

    def _has_ended(self, keeper: "subprocess.Popen[bytes]") -> bool:
        """Whether the `keeper` has ended, of itself after its worker, or by somebody's signal."""
        try:
            code = keeper.wait(_DYING_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        if code < 0:
            self.breaches.add("ends the process that watches it")
        return True

    def _how_it_ended(self, error: Exception) -> str:
        assert self._process is not None
        if isinstance(error, TimeoutError):
            return f"not ready after {_START_SECONDS} s"
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "the process closed its channel"
        how = f"by signal {code - 128}" if code > 128 else f"with code {code}"
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 2000))
        printed = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return f"the process ended {how}" + (f": {printed[-1][:200]}" if printed else "")

    def _signal(self, action: str) -> None:
        for process in self._descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                getattr(process, action)()

    def _descendants(self) -> Iterator[psutil.Process]:
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            yield from psutil.Process(self._process.pid).children(recursive=True)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def environment() -> dict[str, str]:
    """The environment of a process that is to find this very package, wherever it stands."""
    paths = [str(_CHECKOUT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _checked(message: Any) -> dict[str, Any]:
    """A worker's `message` -> fields of a `Run`. ValueError: it is not what was agreed."""
    if not isinstance(message, dict):
        raise ValueError("it is no object")
    if isinstance(message.get("error"), str):
        return {"status": FAILED, "error": message["error"]}
    answer = message.get("answer")
    if not isinstance(answer, dict):
        raise ValueError("it is no dict")
    runtime, counts = answer.get("runtime"), answer.get("anagram_counts")
    if isinstance(runtime, bool) or not isinstance(runtime, (int, float)) or runtime < 0:
        raise ValueError("runtime is no number of milliseconds")
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise ValueError("anagram_counts are not word -> whole number")
    return {"status": DONE, "counts": counts, "reported_ms": float(runtime)}
