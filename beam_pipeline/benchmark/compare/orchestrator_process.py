"""An orchestrator in a process of its own, as the comparison sees it."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import psutil

from beam_pipeline.benchmark.child_environment import child_environment
from beam_pipeline.benchmark.compare.accounting import Usage, peak_memory, reset_peak_memory
from beam_pipeline.benchmark.compare.answers import MAX_ANSWER_BYTES, checked_answer, one_line
from beam_pipeline.benchmark.compare.cgroup import Cgroup
from beam_pipeline.benchmark.compare.channel import Channel
from beam_pipeline.benchmark.compare.containment import Containment
from beam_pipeline.benchmark.compare.descendants import send, state
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.worker import SIGN_OF_LIFE
from beam_pipeline.monitor.process_tree import TreeSampler
from transforms.stages.chaos import Chaos

# How many of the last bytes that a process has printed are searched for its last line.
_LOG_TAIL = 2000


class OrchestratorProcess:
    """Starts an orchestrator when it gets its first text, and again after it was stopped.

    Between its runs it is paused, with all its processes: it can neither work ahead nor disturb
    the others.

    Args:
      path: the file of the orchestrator.
      chaos: the faults to work under, see `transforms.stages.chaos.Chaos.parse`.
      sampling_interval: seconds between two samples of memory and processor time.
      start_timeout: seconds in which the orchestrator must be ready.
      supervisor_timeout: seconds in which its supervisor must answer, or end behind it, and in
        which its processes must let themselves be paused or killed.
      use_cgroup: whether to put it into a control group, where this is possible.

    Attributes:
      name: the name of the file.
      use_cgroup: whether it is put into a control group, if possible.
      start_seconds: how long each start took: process, imports, constructor.
      start_cpu_seconds: the CPU time of each start.
      usage: the system's accounting of all its processes that have ended.
      cannot_start: why it cannot be started, in one line; empty if it can.
      violations: the rules that it breaks, each in a few words.
      remarks: details of violations, each in one line.
    """

    def __init__(
        self,
        path: Path,
        chaos: str = "",
        *,
        sampling_interval: float = 0.02,
        start_timeout: float = 120.0,
        supervisor_timeout: float = 30.0,
        use_cgroup: bool = True,
    ):
        self.name = path.stem
        self.start_seconds: list[float] = []
        self.start_cpu_seconds: list[float] = []
        self.usage = Usage()
        self.cannot_start = ""
        self.violations: set[str] = set()
        self.remarks: list[str] = []
        self._path = path
        self._chaos = chaos
        self._sampling_interval = sampling_interval
        self._start_timeout = start_timeout
        self._supervisor_timeout = supervisor_timeout
        self.use_cgroup = use_cgroup
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._cgroup: Cgroup | None = None
        self._containment: Containment | None = None
        self._must_stop = False
        self._signs_of_life = -1
        self._seen: set[psutil.Process] = set()
        self._log: IO[bytes] | None = None

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
        if self._supervisor is None or self._channel is None or self._containment is None:
            return Run(Status.CRASHED, error=self.cannot_start)
        cpu_before = self._cpu_seconds()
        reset_peak_memory(self._containment.pids())
        self._containment.thaw()
        with TreeSampler(self._supervisor.pid, self._sampling_interval) as sampler:
            outcome = self._exchange(self._channel, text, timeout)
        self._pause(sampler)
        if outcome["status"] == Status.DONE and not self._supervisor_answers():
            outcome |= {"status": Status.CRASHED, "error": "its supervisor has ended"}
        largest = max(sampler.peak_process_bytes, peak_memory(self._containment.pids()))
        run = Run(
            **outcome,
            peak_bytes=max(sampler.peak_bytes, largest),
            growth_bytes=sampler.growth_bytes,
            peak_process_bytes=largest,
            cpu_seconds=max(sampler.cpu_seconds, self._cpu_seconds() - cpu_before),
        )
        if self._must_stop or run.status in (Status.TIMEOUT, Status.CRASHED):
            self.stop()
        return run

    def processes(self) -> list[psutil.Process]:
        """Returns the worker and all that it has started, as far as they are alive."""
        found = []
        for pid in self._containment.pids() if self._containment is not None else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def was_disturbed(self) -> bool:
        """Returns whether its processes were woken or ended while it was paused.

        If so, it is stopped, and started again with its next text.
        """
        if self._supervisor is None or self._containment is None:
            return False
        is_as_it_was = (
            state(self._supervisor.pid) not in ("", "Z", "X", "T", "t")
            and self._containment.is_frozen()
            and self._containment.pids()
        )
        if not is_as_it_was:
            self.stop()
        return not is_as_it_was

    def stop(self) -> None:
        """Ends the orchestrator and whatever it has started."""
        if self._supervisor is None or self._channel is None or self._containment is None:
            return
        seen_cpu = self._cpu_seconds()
        if not self._containment.kill():
            self.violations.add("has processes that cannot be ended")
        _kill(self._seen)  # without a supervisor they are no longer its descendants
        self._seen.clear()
        self._channel.close()
        send([self._supervisor.pid], signal.SIGCONT)  # in case it was stopped
        if self._wait_for_supervisor() is None:
            self._supervisor.kill()
            self._wait_for_supervisor()
        os.close(self._signs_of_life)
        if self._log is not None:
            self._log.close()
        if self._cgroup is not None:
            seen_cpu = self._cgroup.cpu_seconds()
            self._cgroup.remove()
        if self.usage.exceeds(seen_cpu):
            self.violations.add("uses processor time unseen")
        self._supervisor = self._channel = self._containment = self._cgroup = None

    def _start(self) -> None:
        began = time.monotonic()
        ours, theirs = socket.socketpair()
        self._signs_of_life, pipe = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (until the process is stopped)
        self._cgroup = Cgroup.create() if self.use_cgroup else None
        with theirs:
            try:
                self._supervisor = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "beam_pipeline.benchmark.compare.worker"),
                        *(str(theirs.fileno()), str(pipe)),
                        *(str(self._path), self._chaos_of_start()),
                        str(self._cgroup.folder) if self._cgroup is not None else "",
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
        self.usage.ended = None
        self._must_stop = False
        self._channel = Channel(ours, max_bytes=MAX_ANSWER_BYTES)
        self._channel.limit(self._start_timeout)
        self._containment = Containment(
            self._supervisor.pid, self._cgroup, self._supervisor_timeout
        )
        with TreeSampler(self._supervisor.pid, self._sampling_interval) as sampler:
            try:
                # The first message comes from our code, before the orchestrator is loaded.
                if self._channel.receive() != {"contained": True}:
                    self._give_up_cgroup()
                greeting = self._channel.receive()
            except (EOFError, OSError) as error:
                greeting = {"error": self._how_it_ended(error)}
            except ValueError as error:
                greeting = {"error": f"not a proper message: {one_line(str(error))}"}
        self.start_seconds.append(time.monotonic() - began)
        self._check_greeting(greeting)
        self._pause(sampler)
        self.start_cpu_seconds.append(max(sampler.cpu_seconds, self._cpu_seconds()))
        if self.cannot_start or self._must_stop:
            self.stop()

    def _give_up_cgroup(self) -> None:
        """Goes on without the control group, which the worker could not join."""
        assert self._supervisor is not None
        if self._cgroup is not None:
            self._cgroup.remove()
            self._cgroup = None
        self._containment = Containment(self._supervisor.pid, None, self._supervisor_timeout)

    def _chaos_of_start(self) -> str:
        """Returns the chaos with another seed for each start, or the same faults would return."""
        if not self._chaos:
            return ""
        return f"{self._chaos},seed={Chaos.parse(self._chaos).seed + len(self.start_seconds)}"

    def _check_greeting(self, greeting: Any) -> None:
        if not isinstance(greeting, dict) or "error" in greeting:
            error = greeting.get("error") if isinstance(greeting, dict) else None
            self.cannot_start = one_line(str(error or "it did not say that it is ready"))
            return
        if greeting.get("other_types") != "":
            self.violations.add("does not raise ValueError for what is not a str")
            self.remarks[:] = [one_line(str(greeting.get("other_types")))]
        if self._chaos and greeting.get("takes_chaos") is not True:
            self.violations.add("does not take chaos")

    def _pause(self, sampler: TreeSampler) -> None:
        """Pauses all processes, and notes those that have got out of sight."""
        assert self._containment is not None
        assert self._supervisor is not None
        self._seen |= {one for one in sampler.processes if one.pid != self._supervisor.pid}
        if self._containment.strays():
            self.violations.add("has processes outside of its control group")
            self._must_stop = True
        if not self._containment.freeze():
            self.violations.add("has processes that cannot be paused")
            self._must_stop = True
        if sampler.unreadable or self._containment.unreadable():
            self.violations.add("hides the memory of its processes")

    def _cpu_seconds(self) -> float:
        """Returns the processor time of all processes since the start."""
        assert self._supervisor is not None and self._containment is not None
        accounted = self._containment.cpu_seconds()
        if accounted is not None:
            return accounted
        return self.usage.of_tree(self._supervisor.pid, self._containment.pids())

    def _exchange(self, channel: Channel, text: bytes, timeout: float) -> dict[str, Any]:
        """Hands over a text, waits for the answer, and returns what a `Run` says of it."""
        began = received = time.monotonic()
        outcome = message = None
        channel.limit(timeout)
        try:
            channel.send_text(text)
            channel.receive()
            received = time.monotonic()
            message = channel.receive()
        except TimeoutError:
            outcome = {"status": Status.TIMEOUT, "error": f"stopped after {timeout:g} s"}
        except (EOFError, OSError) as error:
            outcome = {"status": Status.CRASHED, "error": self._how_it_ended(error)}
        except ValueError as error:
            outcome = _not_proper(error)
            self._must_stop = True  # the beginning of the next message is unknown
        seconds = time.monotonic() - began
        if outcome is None:
            try:
                outcome = checked_answer(message)
            except ValueError as error:
                outcome = _not_proper(error)
        return {**outcome, "seconds": seconds, "handover_seconds": received - began}

    def _supervisor_answers(self) -> bool:
        """Asks the supervisor for a sign of life.

        One that was killed before this question never answers it, however long it takes to die:
        of all signals that wait for a process SIGKILL comes first.
        """
        assert self._supervisor is not None
        while self._can_read_sign(0) and os.read(self._signs_of_life, 1):
            pass  # an answer to a signal from the orchestrator
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._supervisor.pid, SIGN_OF_LIFE)
        answered = self._can_read_sign(self._supervisor_timeout)
        if answered and os.read(self._signs_of_life, 1):
            return True
        code = self._wait_for_supervisor() if answered else None
        if code is None or code < 0:
            self.violations.add("stops or kills its supervisor")
        return False

    def _can_read_sign(self, timeout: float) -> bool:
        """Waits until there is a sign of life, or the end of a supervisor that has ended."""
        readable, _, _ = select.select([self._signs_of_life], [], [], timeout)
        return bool(readable)

    def _wait_for_supervisor(self) -> int | None:
        """Waits for the end of the supervisor, and returns its exit code, None if it goes on."""
        assert self._supervisor is not None
        deadline = time.monotonic() + self._supervisor_timeout
        while self._supervisor.returncode is None and time.monotonic() < deadline:
            pid, status, used = os.wait4(self._supervisor.pid, os.WNOHANG)
            if pid:
                self._supervisor.returncode = os.waitstatus_to_exitcode(status)
                self.usage.add(used)
            else:
                time.sleep(0.001)
        return self._supervisor.returncode

    def _how_it_ended(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"not ready after {self._start_timeout:g} s"
        code = self._wait_for_supervisor()
        if code is None:
            return "the process closed its channel"
        how = f"by signal {code - 128}" if code > 128 else f"with code {code}"
        assert self._log is not None
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LOG_TAIL))
        printed = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return f"the process ended {how}" + (f": {one_line(printed[-1])}" if printed else "")


def _not_proper(error: ValueError) -> dict[str, Any]:
    complaint = f"not a proper answer: {one_line(str(error))}"
    return {"status": Status.FAILED, "error": complaint}


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
