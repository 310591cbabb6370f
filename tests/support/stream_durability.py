"""Counts a text as a stream of which parts are killed, and compares every window.

    python -m tests.support.stream_durability TEXT
    python -m tests.support.stream_durability TEXT --runner flink
    python -m tests.support.stream_durability TEXT --rate 2000 --window 30

sends the lines of a text to a Kafka broker of its own, in four partitions, with event times, and
counts them in windows. Meanwhile, by SIGKILL, end

- on Prism: the run with all that it has started, and then Prism alone. The same command goes on.
- on Flink, on a cluster of its own: a Python worker, the command, and a TaskManager.

Then each window must be what an oracle counts in its lines, and the sum of all windows, byte for
byte, what a run over the file gives. The first difference ends the script with an error.
"""

import argparse
import contextlib
import hashlib
import logging
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from beam_pipeline.flags import whole_number
from tests.support import flink_cluster
from tests.support.cli import run
from tests.support.kafka import serving
from tests.support.programs import prism
from tests.support.reference import dictionary_words
from tests.support.running import Running, running, stopped
from tests.support.window_files import expected_windows, fixed, time_of, total_of, windows_in

_PARTITIONS = 4
_TOPIC = "text"
# Bytes that are no UTF-8 are deleted, as in a batch; no line decides on its own encoding.
_SETTINGS = ("--encoding=utf-8", "--window={window}", "--output=out")
# How often to look whether there are more windows, in seconds.
_INTERVAL = 0.2


class Stream(NamedTuple):
    """The lines of a text, as messages.

    Attributes:
      expected: the counts of each window, by the name of its file.
      folder: where the command runs; the windows are in ``out``.
      arguments: of the command.
    """

    expected: Mapping[str, Mapping[str, int]]
    folder: Path
    arguments: tuple[str, ...]

    def wait_until(self, part: float, process: Running) -> int:
        """Waits until this part of all windows, and one more than now, is published.

        Returns:
          How many windows are published.

        Raises:
          SystemExit: the command has ended.
        """
        wanted = min(max(part * len(self.expected), self._published() + 1), len(self.expected))
        while (number := self._published()) < wanted:
            if process.poll() is not None:
                assert process.stderr is not None
                raise SystemExit(f"the command has ended: {process.stderr.read().decode()}")
            time.sleep(_INTERVAL)
        return number

    def _published(self) -> int:
        return len(list((self.folder / "out").glob("[!.]*Z_*")))


def main(argv: Sequence[str] | None = None) -> None:
    """Prints what was killed, and what was compared."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.stream_durability")
    parser.add_argument("text", type=Path, help="a file, each line of which is a message")
    parser.add_argument("--runner", choices=("prism", "flink"), default="prism")
    parser.add_argument(
        "--rate", type=whole_number(1), default=2000, help="lines a second of event time"
    )
    parser.add_argument("--window", type=whole_number(1), default=30, help="in seconds")
    options = parser.parse_args(argv)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it tells that the broker is starting
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        text: Path = options.text.absolute()
        lines = text.read_bytes().splitlines()
        broker = stack.enter_context(serving(folder))
        # No message is of the future, nor so old that the broker removes it.
        began = float(int(time.time() - len(lines) / options.rate - 60))
        counted = expected_windows(
            lines, fixed(options.window), dictionary_words("gcide"), began, options.rate
        )
        expected = {name: counts for name, counts in counted.items() if counts}
        broker.make_topic(_TOPIC, _PARTITIONS)
        times = (time_of(number, began, options.rate) for number in range(len(lines)))
        broker.send(_TOPIC, lines, _PARTITIONS, times=times)
        arguments = (
            f"--input={broker.url(_TOPIC)}",
            *(setting.format(window=options.window) for setting in _SETTINGS),
        )
        stream = Stream(expected, folder, arguments)
        seconds = len(lines) / options.rate
        print(
            f"{options.runner}: {len(lines):,} messages, {text.stat().st_size / 1e6:.1f} MB, of "
            f"{seconds:,.0f} s in {_PARTITIONS} partitions; {len(expected)} windows of "
            f"{options.window} s",
            flush=True,
        )
        started = time.monotonic()
        (on_flink if options.runner == "flink" else on_prism)(stream)
        print(f"counted in {time.monotonic() - started:,.0f} s", flush=True)
        compare(stream, text)


def on_prism(stream: Stream) -> None:
    """Counts with Prism, and kills the whole run, and Prism."""
    arguments = (*stream.arguments, f"--prism_location={prism()}")
    with running(*arguments, cwd=stream.folder) as process:
        number = stream.wait_until(1 / 3, process)
    # Leaving the block has killed it.
    print(f"killed after {number} windows: the run and its processes", flush=True)
    with running(*arguments, cwd=stream.folder) as process:
        number = stream.wait_until(2 / 3, process)
        (runner,) = (
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if child.name() == "prism"
        )
        runner.kill()
        _, err = process.communicate()
        print(f"killed after {number} windows: Prism; {err.decode().strip()}", flush=True)
    with running(*arguments, cwd=stream.folder) as process:
        stream.wait_until(1, process)
        stopped(process, signal.SIGTERM)


def on_flink(stream: Stream) -> None:
    """Counts on a Flink cluster, and kills a worker, the command, and a TaskManager.

    The environment variable FLINK_CLUSTER names a folder to keep what is downloaded.
    """
    folder = Path(os.environ.get("FLINK_CLUSTER") or stream.folder / "flink").absolute()
    with flink_cluster.serving(folder) as cluster:
        arguments = (*stream.arguments, *cluster.options)
        with running(*arguments, cwd=stream.folder) as process:
            number = stream.wait_until(1 / 4, process)
            workers = cluster.workers()
            workers[-1].kill()
            print(f"killed after {number} windows: one of {len(workers)} workers", flush=True)
            number = stream.wait_until(2 / 4, process)
        print(f"killed after {number} windows: the command", flush=True)
        with running(*arguments, cwd=stream.folder) as process:
            number = stream.wait_until(3 / 4, process)
            cluster.kill_task_manager(1)
            print(f"killed after {number} windows: a TaskManager", flush=True)
            cluster.wait_for_task_managers(1)
            cluster.start_task_manager(1)
            stream.wait_until(1, process)
            stopped(process, signal.SIGTERM)


def compare(stream: Stream, text: Path) -> None:
    """Compares the windows with an oracle, and their sum with a batch.

    Raises:
      SystemExit: there is a difference.
    """
    expected, found = stream.expected, windows_in(stream.folder / "out")
    if found != expected:
        names = sorted(set(found) | set(expected))
        wrong = [name for name in names if found.get(name) != expected.get(name)]
        first = dict(found.get(wrong[0], {}).items() ^ expected.get(wrong[0], {}).items())
        raise SystemExit(
            f"{len(wrong)} of {len(names)} windows are wrong, the first, {wrong[0]}, in "
            f"{len(first)} words, such as {min(first, default='none')}"
        )
    print(f"all {len(found)} windows are what the oracle counts", flush=True)
    batch = run(f"--input={text}", "--encoding=utf-8", cwd=stream.folder)
    if batch.code != 0:
        raise SystemExit(batch.err)
    total = total_of(found)
    if total != batch.out:
        raise SystemExit("the sum of all windows is not the batch result")
    digest = hashlib.sha256(total).hexdigest()
    print(f"their sum is the batch result, byte for byte: {len(total):,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
