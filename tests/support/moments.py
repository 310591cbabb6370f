"""Signals at chosen moments of a run, however fast the machine is.

A moment is the n-th thing that a run does of those that Python reports to audit hooks: imports,
files that are opened, renamed and removed, folders that are made and listed, processes that are
started. Counting begins when the command line catches signals. What the thread does that measures
memory now and then does not count, as that depends on how long the run takes.
"""

import os
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

from tests.support.cli import Finished, run

# Python imports `sitecustomize` before anything else. Children of the run do not count.
_COUNT = """
import itertools, os, signal, sys, threading

moment, number = (int(os.environ.pop(name)) for name in ("MOMENT", "SIGNAL"))
moments = itertools.count(1)
kinds = ("import", "open", "os.", "shutil.", "subprocess.", "tempfile.")

def hook(event, _):
    global last
    if (
        event.startswith(kinds)
        and callable(signal.getsignal(signal.SIGTERM))
        and threading.current_thread().name != "tree-sampler"
    ):
        last = next(moments)
        if last == moment:
            os.kill(os.getpid(), number)

if moment:
    sys.addaudithook(hook)
if number == 0:
    import atexit
    atexit.register(lambda: print(last, file=sys.stderr))
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Run(NamedTuple):
    """The arguments of a run, and the folder for it.

    Attributes:
      folder: an empty one, on which the run depends for everything but what its arguments name.
      arguments: without the output.
      to_file: whether it writes the result to a file instead of standard output.
    """

    folder: Path
    arguments: tuple[str, ...]
    to_file: bool = True

    def until(self, moment: int, number: int) -> Finished:
        """Runs until a moment, and gives it a signal then; 0 is none."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("hook", "tmp", "work"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "hook" / "sitecustomize.py").write_text(_COUNT)
        path = os.pathsep.join((str(self.folder / "hook"), str(Path(__file__).parents[2])))
        output = ("--output=result.json",) if self.to_file else ()
        return run(
            *self.arguments,
            *output,
            cwd=self.folder / "work",
            PYTHONPATH=path,
            TMPDIR=str(self.folder / "tmp"),
            MOMENT=str(moment),
            SIGNAL=str(int(number)),
            # A run that writes compiled modules does more than the next one.
            PYTHONDONTWRITEBYTECODE="1",
        )

    def whole(self) -> tuple[int, bytes]:
        """Returns the number of moments of a run that nothing interrupts, and its result."""
        finished = self.until(10**9, 0)
        assert finished.code == 0, finished.err
        return int(finished.err.split()[-1]), self._result(finished)

    def _result(self, finished: Finished) -> bytes:
        return (self.folder / "work" / "result.json").read_bytes() if self.to_file else finished.out

    def assert_true_at(self, moment: int, number: int, result: bytes) -> str:
        """A signal at a moment ends the run with the right code, and what it says is true.

        Returns:
          What it says.
        """
        finished = self.until(moment, number)
        context = (moment, number, finished)
        assert os.listdir(self.folder / "tmp") == [], context
        files = os.listdir(self.folder / "work")
        if finished.code == 0:  # it was done before
            assert self._result(finished) == result, context
            return "done"
        assert finished.code == 128 + number, context
        # A built-in case that was done before has been judged.
        lines = [line for line in finished.err.splitlines() if not line.endswith("as expected")]
        assert len(lines) == 1, context
        said = lines[0].removeprefix("error: interrupted; ")
        if said == "the result had been published":
            assert self._result(finished) == result, context
        elif said == "a part of the result may have been written to standard output":
            assert not self.to_file and result.startswith(finished.out), context
        else:
            assert said == "nothing was published", context
            assert (files, finished.out) == ([], b""), context
        return said
