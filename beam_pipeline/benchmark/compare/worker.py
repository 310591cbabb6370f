"""The process of an orchestrator, and the supervisor above it.

The supervisor is the parent of the worker, and on Linux it adopts all descendants of the worker
that lose their parents, as daemons do on purpose. Whatever the orchestrator starts is therefore
below the supervisor, where it is measured, paused and ended. On other systems daemons get away.

The supervisor runs no code of the orchestrator. It writes a byte to its pipe whenever it receives
`SIGN_OF_LIFE`, so that the comparison notices if the orchestrator has killed it.
"""

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from beam_pipeline.benchmark.compare.channel import Channel
from beam_pipeline.benchmark.compare.orchestrator import Orchestrator

#: The signal that the supervisor answers.
SIGN_OF_LIFE = signal.SIGUSR1
# From Linux's <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MAX_ERROR_LENGTH = 300


def main() -> NoReturn:
    """Runs ``python -m beam_pipeline.benchmark.compare.worker SOCKET PIPE FILE CHAOS``.

    SOCKET and PIPE are file descriptors: one end of a `Channel`, and where signs of life go.
    """
    connection, pipe, path, chaos = sys.argv[1:]
    signal.signal(SIGN_OF_LIFE, lambda *_: os.write(int(pipe), b"."))
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    if worker == 0:
        signal.signal(SIGN_OF_LIFE, signal.SIG_DFL)
        os.close(int(pipe))
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _serve(Channel(socket.socket(fileno=int(connection))), Path(path), chaos)
        sys.exit()
    os.close(int(connection))
    _supervise(worker)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _supervise(worker: int) -> NoReturn:
    """Reaps processes until the worker is among them, and exits as the worker did."""
    pid = status = 0
    while pid != worker:
        pid, status = os.wait()
    _kill_descendants()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _kill_descendants() -> None:
    import psutil

    while left := psutil.Process().children(recursive=True):
        for process in left:
            process.kill()
        try:
            os.wait()
        except ChildProcessError:
            return


def _serve(channel: Channel, path: Path, chaos: str) -> None:
    """Loads the orchestrator, and answers texts until the other end is closed."""
    try:
        orchestrator = Orchestrator(path, chaos)
    except Exception as error:
        channel.send({"error": _one_line(error)})
        return
    channel.send(
        {
            "takes_chaos": orchestrator.takes_chaos,
            "rejects_other_types": orchestrator.rejects_other_types(),
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
            message = {"error": _one_line(error)}
        del text
        _send_answer(channel, message)


def _send_answer(channel: Channel, message: dict[str, Any]) -> None:
    try:
        channel.send(message)
    except (TypeError, ValueError, RecursionError) as error:
        channel.send({"error": f"the answer is not plain data: {_one_line(error)}"})


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_MAX_ERROR_LENGTH]


if __name__ == "__main__":
    main()
