"""The process of one orchestrator, and the keeper above it.

The keeper is the parent of the worker and adopts all of the worker's descendants that lose their
parents, as daemons do on purpose (Linux; elsewhere they get away). Below it is therefore
everything the orchestrator ever starts, to be measured, paused and ended. It runs no code of the
orchestrator, which therefore cannot dismiss it.
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

# Of Linux's <sys/prctl.h>.
_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36


def main() -> NoReturn:
    """``python -m beam_pipeline.benchmark.compare.worker SOCKET FILE CHAOS``"""
    connection, path, chaos = sys.argv[1:]
    _control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    _control(_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    if worker == 0:
        _control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        _serve(Channel(socket.socket(fileno=int(connection))), Path(path), chaos)
        sys.exit()
    os.close(int(connection))
    _keep(worker)


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _keep(worker: int) -> NoReturn:
    """Buries the dead until the worker is among them, and leaves as the worker did."""
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
    """Loads the orchestrator, and answers until nobody asks any more."""
    try:
        orchestrator = Orchestrator(path, chaos)
    except Exception as error:
        channel.send({"error": _line(error)})
        return
    channel.send(
        {
            "takes_chaos": orchestrator.takes_chaos,
            "refuses_what_is_no_text": orchestrator.refuses_what_is_no_text(),
        }
    )
    while True:
        try:
            text = channel.receive_text()
        except EOFError:
            return
        channel.send({"received": len(text)})
        try:
            message = {"answer": orchestrator.ask(text)}
        except Exception as error:
            message = {"error": _line(error)}
        del text
        _answer(channel, message)


def _answer(channel: Channel, message: dict[str, Any]) -> None:
    try:
        channel.send(message)
    except (TypeError, ValueError, RecursionError) as error:
        channel.send({"error": f"the answer is no plain data: {_line(error)}"})


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


if __name__ == "__main__":
    main()
