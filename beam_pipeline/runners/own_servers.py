"""The servers that Beam starts for a run: how they have ended, and where they listen."""

import contextlib
import io
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

#: Flink's settings, which it reads from the folder that FLINK_CONF_DIR names.
_FLINK = """\
jobmanager.bind-host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
rest.bind-address: 127.0.0.1
"""
# How the line begins with which a program in Go, such as Prism, tells why it ends.
_LAST_WORDS = (b"panic:", b"fatal error:", b"SIG")
_PANIC = 2  # the exit code that follows
# How many seconds a server that does not answer any more may take to end.
_PATIENCE = 5.0


class OwnServers:
    """The servers that Beam has started for a run."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._last_words = ""
        self._has_last_words = threading.Event()

    def add(self, process: "subprocess.Popen[bytes]") -> None:
        """Adds a server, and notices what is read from its standard output."""
        self._processes.append(process)
        if isinstance(process.stdout, io.BufferedReader):
            process.stdout = _NoticedOutput(process.stdout.detach(), self._notice)

    def _notice(self, line: bytes) -> None:
        if not self._last_words and line.startswith(_LAST_WORDS):
            self._last_words = line.decode(errors="replace").strip()
            self._has_last_words.set()

    def end(self) -> str:
        """Returns how the first server that has ended did so; empty if none has."""
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_PATIENCE)
                if code == _PANIC:
                    self._has_last_words.wait(_PATIENCE)  # they may not have been read yet
                end = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
                return f"{end}: {self._last_words}" if self._last_words else end
        return ""


class _NoticedOutput(io.BufferedReader):
    """The output of a process, of which each line that is read is passed to a function, too."""

    def __init__(self, raw: io.RawIOBase, notice: Callable[[bytes], None]):
        super().__init__(raw)
        self._notice = notice

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self._notice(line)
        return line


@contextlib.contextmanager
def own_servers_at_loopback(runner: str) -> Iterator[None]:
    """Inside the ``with`` block, Flink or Spark within a job server listen on loopback only.

    By default they listen on all interfaces, and anybody who can connect to them can run any
    program. Environment variables that are set already are not changed.

    Args:
      runner: the class name of the runner.
    """
    with tempfile.TemporaryDirectory() as folder:
        if runner == "FlinkRunner":
            (Path(folder) / "config.yaml").write_text(_FLINK)
            name, value = "FLINK_CONF_DIR", folder
        elif runner == "SparkRunner":
            name, value = "SPARK_LOCAL_IP", "127.0.0.1"
        else:
            yield
            return
        if name in os.environ:
            yield
            return
        os.environ[name] = value
        try:
            yield
        finally:
            del os.environ[name]
