"""Runs exporters in threads, so that no collector can block or fail a run."""

import importlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from beam_pipeline.redaction import redact
from beam_pipeline.report.model import RunReport
from beam_pipeline.telemetry.run_info import RunInfo

# How long a run waits for collectors at its end, in seconds.
_PATIENCE = 5.0
_PATIENCE_WHEN_INTERRUPTED = 1.0


class Exporter(Protocol):
    """Sends one run to one collector. May raise any exception, and may take any time."""

    def start(self) -> None:
        """Sends that the run begins."""

    def end(self, report: RunReport) -> None:
        """Sends what the run did."""


#: Makes the exporter of a name; it may load a library.
Make = Callable[[str, RunInfo], Exporter]


def make_exporter(name: str, info: RunInfo) -> Exporter:
    """Returns the exporter that `options.TELEMETRY` knows by this name."""
    module = importlib.import_module(f"beam_pipeline.telemetry.{name}_exporter")
    exporter: Exporter = module.Exporter(info)
    return exporter


class Telemetry:
    """Sends one run to collectors, each in its own thread.

    Args:
      names: the names of the exporters.
      notify: called with a message for the user about each collector to which sending failed.
      patience: how long to wait for collectors at the end, in seconds.
      make: makes the exporters.
    """

    def __init__(
        self,
        names: Sequence[str],
        notify: Callable[[str], None],
        *,
        patience: float = _PATIENCE,
        make: Make = make_exporter,
    ):
        self._notify = notify
        self._patience = patience
        self._senders = [_Sender(name, make) for name in dict.fromkeys(names)]

    def start(self, info: RunInfo) -> None:
        """Sends that the run begins; does not wait."""
        for sender in self._senders:
            sender.start(info)

    def end(self, report: RunReport, info: RunInfo, *, is_interrupted: bool = False) -> None:
        """Sends what the run did, and waits for a limited time.

        Args:
          report: the report of the run.
          info: for exporters for which `start` was not called.
          is_interrupted: whether the user has interrupted the run; then the wait is shorter.
        """
        patience = self._patience
        if is_interrupted:
            patience = min(patience, _PATIENCE_WHEN_INTERRUPTED)
        for sender in self._senders:
            sender.end(report, info)
        deadline = time.monotonic() + patience
        for sender in self._senders:
            if not sender.has_ended.wait(max(0.0, deadline - time.monotonic())):
                self._notify(f"{sender.name}: no answer in {patience:g} s")
            elif sender.problem:
                self._notify(f"{sender.name}: could not be told ({sender.problem})")


class _Sender:
    """An exporter and its thread."""

    def __init__(self, name: str, make: Make):
        self.name = name
        self.has_ended = threading.Event()
        self.problem = ""
        self._make = make
        self._tasks: queue.SimpleQueue[Callable[[Exporter], None] | None] = queue.SimpleQueue()
        self._info: RunInfo | None = None

    def start(self, info: RunInfo) -> None:
        self._ensure_running(info)
        self._tasks.put(lambda exporter: exporter.start())

    def end(self, report: RunReport, info: RunInfo) -> None:
        self._ensure_running(info)
        self._tasks.put(lambda exporter: exporter.end(report))
        self._tasks.put(None)

    def _ensure_running(self, info: RunInfo) -> None:
        if self._info is None:
            self._info = info
            threading.Thread(target=self._send, name=self.name, daemon=True).start()

    def _send(self) -> None:
        assert self._info is not None
        try:
            exporter = self._make(self.name, self._info)
            while (task := self._tasks.get()) is not None:
                try:
                    task(exporter)
                except Exception as error:  # each library raises its own
                    self._note(error)
        except Exception as error:
            self._note(error)
        finally:
            self.has_ended.set()

    def _note(self, error: Exception) -> None:
        message = redact(" ".join(str(error).split())) or type(error).__name__
        self.problem = message if len(message) <= 200 else f"{message[:200]}…"
