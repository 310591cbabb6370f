"""Measures streams of the command line: how fast they are, how late windows are, and their memory.

    python -m tests.support.stream_speed
    python -m tests.support.stream_speed --rate 2000 --seconds 60 --messages 1000000
    python -m tests.support.stream_speed --rate 1000 --steady 60

starts a Kafka broker, and measures on Prism

- **live**: messages come at a constant rate. How long after its end is a window a file, and do all
  messages come through in that time?
- **backlog**: the messages of an hour are there already, and are read as fast as they can be. How
  much memory do the run and all that it starts take in each quarter?
- **steady**, instead of both: messages come at a constant rate for minutes. How much memory has
  process over time, and by how much does it grow with the messages?

Each message is a line of ten words of GCIDE.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import psutil

from beam_pipeline.flags import whole_number
from tests.support.cli import COMMAND, environment
from tests.support.kafka import Broker, serving
from tests.support.programs import prism
from transforms import DictionarySpec

_PARTITIONS = 4
_WORDS = 10
# Sizes of windows, in seconds.
_LIVE_WINDOW, _BACKLOG_WINDOW = 10, 60
_HOUR = 3600.0
# How often the memory of a steady run is printed.
_STEADY_ROWS = 20
# How often memory is looked at, in seconds.
_INTERVAL = 0.5


def main(argv: Sequence[str] | None = None) -> None:
    """Prints what was measured, a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.stream_speed")
    parser.add_argument("--rate", type=whole_number(1), default=1000, help="messages a second")
    parser.add_argument("--seconds", type=whole_number(30), default=60, help="how long they come")
    parser.add_argument("--messages", type=whole_number(1), default=500_000, help="of the backlog")
    parser.add_argument("--steady", type=whole_number(1), help="how long, in minutes")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as broker:
        if options.steady is not None:
            measure_steady(broker, Path(folder), options.rate, options.steady)
            return
        measure_live(broker, Path(folder), options.rate, options.seconds)
        measure_backlog(broker, Path(folder), options.messages)


def lines() -> Iterator[bytes]:
    """Yields lines of words, for ever."""
    words = DictionarySpec().load().words
    groups = itertools.zip_longest(*[iter(itertools.cycle(sorted(words)))] * _WORDS)
    return (" ".join(group).encode() for group in groups)


def measure_live(broker: Broker, folder: Path, rate: int, seconds: int) -> None:
    """Sends messages at a rate while a run counts them."""
    broker.make_topic("live", _PARTITIONS)
    output = folder / "live"
    process = _started(broker.url("live", "delay=1"), _LIVE_WINDOW, output)
    try:
        broker.send("live", itertools.islice(lines(), rate * seconds), _PARTITIONS, rate=rate)
        sent = time.time()
        files: list[Path] = []
        while time.time() < sent + 4 * _LIVE_WINDOW:
            files = sorted(output.glob("[!.]*Z_*"))
            time.sleep(_INTERVAL)
    finally:
        process.terminate()
        process.communicate()
    delays = [path.stat().st_mtime - _end_of(path) for path in files]
    print(
        f"live: {rate:,} messages/s sent for {seconds} s; {_words_in(files):,} of "
        f"{rate * seconds * _WORDS:,} words in {len(files)} windows of {_LIVE_WINDOW} s, each a "
        f"file {min(delays):.1f} to {max(delays):.1f} s after its end (median "
        f"{statistics.median(delays):.1f} s)"
    )


def measure_steady(broker: Broker, folder: Path, rate: int, minutes: int) -> None:
    """Sends messages at a rate while a run counts them, and prints the memory of its processes."""
    broker.make_topic("steady", _PARTITIONS)
    output = folder / "steady"
    process = _started(broker.url("steady", "delay=1"), _LIVE_WINDOW, output)
    messages = itertools.islice(lines(), rate * minutes * 60)
    sender = threading.Thread(
        target=broker.send,
        args=("steady", messages, _PARTITIONS),
        kwargs={"rate": rate},
        daemon=True,  # it may wait for a broker that has gone
    )
    began = time.monotonic()
    sender.start()
    rows: list[tuple[int, dict[str, int]]] = []
    try:
        for number in range(1, _STEADY_ROWS + 1):
            most: Counter[str] = Counter()
            while time.monotonic() < began + number * minutes * 60 / _STEADY_ROWS:
                most |= Counter(_memory_by_process(process.pid))
                time.sleep(_INTERVAL)
            rows.append((rate * minutes * 60 * number // _STEADY_ROWS, dict(most)))
            if process.poll() is not None:
                raise SystemExit(process.stderr and process.stderr.read())
            figures = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in most.items())
            print(f"steady: {rows[-1][0]:,} messages: {figures}", flush=True)
    finally:
        process.terminate()
        process.communicate()
    # The first half is for warming up.
    (first, before), (last, after) = rows[_STEADY_ROWS // 2 - 1], rows[-1]
    growth = {name: (after[name] - before.get(name, 0)) / (last - first) for name in after}
    slopes = ", ".join(f"{name} {slope:+.1f} MB" for name, slope in growth.items())
    windows = len(list(output.glob("[!.]*Z_*")))
    print(f"steady: in the second half, per million messages: {slopes}; {windows} windows")


def measure_backlog(broker: Broker, folder: Path, messages: int) -> None:
    """Counts messages that are there already, with times of one hour."""
    broker.make_topic("backlog", _PARTITIONS)
    began = time.time() - _HOUR
    times = (began + number * _HOUR / messages for number in range(messages))
    broker.send("backlog", itertools.islice(lines(), messages), _PARTITIONS, times=times)
    size = sum(map(len, itertools.islice(lines(), messages)))
    output = folder / "backlog"
    started = time.monotonic()
    process = _started(broker.url("backlog", "until=now"), _BACKLOG_WINDOW, output)
    samples: list[dict[str, int]] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_INTERVAL):
            samples.append(_memory_by_process(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _, err = process.communicate()
    finally:
        is_over.set()
        watcher.join()
    seconds = time.monotonic() - started
    if process.returncode != 0:
        raise SystemExit(err)
    files = sorted(output.glob("[!.]*Z_*"))
    quarters = [
        _most(samples[len(samples) * n // 4 : len(samples) * (n + 1) // 4]) for n in range(4)
    ]
    print(
        f"backlog: {messages:,} messages, {size / 1e6:.1f} MB, of one hour in {seconds:.1f} s: "
        f"{messages / seconds:,.0f} messages/s, {size / seconds / 1e6:.2f} MB/s; "
        f"{_words_in(files):,} of {messages * _WORDS:,} words in {len(files)} windows; most memory "
        f"in each quarter, in MB: {'; '.join(quarters)}"
    )


def _started(url: str, window: int, output: Path) -> "subprocess.Popen[str]":
    arguments = [
        *(f"--input={url}", f"--window={window}", f"--output={output}", "--dictionary=none"),
        *("--runner=PrismRunner", f"--prism_location={prism()}"),
    ]
    return subprocess.Popen(
        [*COMMAND, *arguments], env=environment(), stderr=subprocess.PIPE, text=True
    )


def _end_of(path: Path) -> float:
    end = path.name.split("_")[1].split("Z")[0]
    return datetime.fromisoformat(f"{end}+00:00").timestamp()


def _words_in(files: Sequence[Path]) -> int:
    """Returns how many words windows have counted; those of a class count once."""
    total = 0
    for path in files:
        classes = {
            record["signature"]: record["count"]
            for record in map(json.loads, path.read_text("utf-8").splitlines())
        }
        total += sum(classes.values())
    return total


def _memory_by_process(pid: int) -> dict[str, int]:
    """Returns the resident memory of a process and all that it has started, in bytes, by name."""
    total: Counter[str] = Counter()
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total[process.name()] += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return dict(total)


def _most(samples: Sequence[dict[str, int]]) -> str:
    """Returns the most memory that each process had, and all together."""
    most: Counter[str] = Counter()
    for sample in samples:
        most |= Counter(sample)
    by_name = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in most.items())
    return (
        f"{max(map(sum, (sample.values() for sample in samples)), default=0) / 1e6:.0f} ({by_name})"
    )


if __name__ == "__main__":
    main()
