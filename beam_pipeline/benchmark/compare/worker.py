"""The process of an orchestrator, and the supervisor above it.

The supervisor is the parent of the worker, and on Linux it adopts all descendants of the worker
that lose their parents, such as daemons. So all processes that the orchestrator starts are below
the supervisor, where they are measured, paused and ended. On other systems daemons escape.

The supervisor runs no code of the orchestrator. It writes a byte to its pipe whenever it receives
`SIGN_OF_LIFE`, so that the comparison notices if the orchestrator has killed it. If the comparison
itself is killed, the supervisor ends what the orchestrator has started.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from beam_pipeline.benchmark.compare.cgroup import Cgroup
from beam_pipeline.benchmark.compare.channel import Channel
from beam_pipeline.benchmark.compare.descendants import descendants, send
from beam_pipeline.benchmark.compare.orchestrator import Orchestrator, described

#: The signal that the supervisor answers.
SIGN_OF_LIFE = signal.SIGUSR1
# From Linux's <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: Tells the supervisor that the comparison has ended.
_ORPHANED = signal.SIGTERM


def main() -> NoReturn:
    """Runs ``python -m beam_pipeline.benchmark.compare.worker SOCKET PIPE FILE CHAOS CGROUP``.

    SOCKET and PIPE are file descriptors: one end of a `Channel`, and where signs of life go.
    CGROUP is the folder of the control group for the worker, or empty.
    """
    connection, pipe, path, chaos, folder = sys.argv[1:]
    cgroup = Cgroup(Path(folder)) if folder else None
    signal.signal(SIGN_OF_LIFE, lambda *_: os.write(int(pipe), b"."))
    # The comparison handles Ctrl-C, and stops its processes in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(_ORPHANED, lambda *_: _end(cgroup))
    _prctl(_PR_SET_PDEATHSIG, _ORPHANED)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    if worker == 0:
        for number in (SIGN_OF_LIFE, _ORPHANED):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(int(pipe))
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        channel = Channel(socket.socket(fileno=int(connection)))
        channel.send({"contained": _joins(cgroup)})
        _serve(channel, Path(path), chaos)
        sys.exit()
    os.close(int(connection))
    _supervise(worker, cgroup)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _joins(cgroup: Cgroup | None) -> bool:
    """Moves this process into its control group, and tells whether it is there."""
    if cgroup is None:
        return False
    with contextlib.suppress(OSError):
        cgroup.join()
    return os.getpid() in cgroup.pids()


def _supervise(worker: int, cgroup: Cgroup | None) -> NoReturn:
    """Reaps processes until the worker is among them, and exits as the worker did."""
    pid = status = 0
    while pid != worker:
        pid, status = os.wait()
    _kill_descendants(cgroup)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _end(cgroup: Cgroup | None) -> NoReturn:
    """Ends everything, because the comparison has ended."""
    _kill_descendants(cgroup)
    if cgroup is not None:
        cgroup.remove()
    os._exit(1)


def _kill_descendants(cgroup: Cgroup | None) -> None:
    """Kills all processes, and waits for them, so that their usage is accounted here."""
    if cgroup is not None:
        cgroup.kill(timeout=0)
    while True:
        # Without a pause; otherwise processes that fork as fast as they can would escape.
        send(descendants(os.getpid()), signal.SIGKILL)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return


def _serve(channel: Channel, path: Path, chaos: str) -> None:
    """Loads the orchestrator, and answers texts until the other end is closed."""
    try:
        orchestrator = Orchestrator(path, chaos)
    except Exception as error:
        channel.send({"error": described(error, path)})
        return
    channel.send(
        {
            "takes_chaos": orchestrator.takes_chaos,
            "other_types": orchestrator.handling_of_other_types(),
        }
    )
    while True:
        try:
            text = channel.receive_text()
        except EOFError:
            return
        channel.send({"received": len(text)})
        try:
            message = {"answer": orchestrator.process_text(text)}
        except Exception as error:
            message = {"error": described(error, path)}
        del text
        _send_answer(channel, message, path)


def _send_answer(channel: Channel, message: dict[str, Any], path: Path) -> None:
    try:
        channel.send(message)
    except (OSError, EOFError):
        raise
    except Exception as error:
        channel.send({"error": f"the answer is not plain data: {described(error, path)}"})


if __name__ == "__main__":
    main()
