"""A worker process of Beam's local runner, which ends with the process that has started it.

Beam's own program would wait for a runner that has been killed before it could connect to it.

``python worker.py PROCESS_ID``, with the process that has started it.
"""

import os
import sys

#: How often a worker checks whether its parent is alive, in seconds.
_INTERVAL = 0.5


def command() -> str:
    """Returns the command, for a shell, that starts a worker of this process."""
    import shlex

    # Without `exec` the shell would be the worker's parent.
    return f"exec {shlex.join([sys.executable, __file__, str(os.getpid())])}"


def is_worker(command_line: list[str]) -> bool:
    """Returns whether a process with these arguments is such a worker."""
    return command_line[1:2] == [__file__]


def main(parent: int) -> None:
    """Works until the runner says that there is no more work, or the parent has ended."""
    import signal
    import threading

    # A terminal sends them to all processes, but the parent decides when a worker ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from transforms.stages.memory import keep_free_memory

    keep_free_memory()
    from beam_pipeline.runners import beam_internals

    beam_internals.run_worker()


def _end_with(parent: int) -> None:
    import time

    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    os._exit(1)


if __name__ == "__main__":
    # Import from the folder of the package, not from the folder of this file.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main(int(sys.argv[1]))
