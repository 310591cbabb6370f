"""Streams from the command line: every window is right, and the sum of all is the batch result."""

import contextlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import kafka, pubsub, reference
from tests.support.cli import COMMAND, Finished, assert_one_line_error, environment, run
from tests.support.kafka import Broker
from tests.support.programs import prism
from tests.support.worker_pool import GIVE_UP

pytestmark = pytest.mark.cluster

#: The earliest message has this time. Brokers remove what is old.
BEGAN = float(int(time.time()) - 3600)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that serves as long as the tests of a file run."""
    with kafka.serving(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def lines(gcide: frozenset[str]) -> Sequence[bytes]:
    """The words of GCIDE, in lines."""
    words = sorted(gcide)
    return [" ".join(words[start : start + 40]).encode() for start in range(0, len(words), 40)]


@pytest.fixture(scope="module")
def topic(broker: Broker, lines: Sequence[bytes]) -> str:
    """A topic with the lines in four partitions, ten a second."""
    broker.make_topic("gcide", 4)
    times = (BEGAN + number / 10 for number in range(len(lines)))
    broker.send("gcide", lines, 4, times=times)
    return "gcide"


@pytest.fixture(scope="module")
def batch(lines: Sequence[bytes], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The result of the lines as one text."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "lines.txt").write_bytes(b"\n".join(lines))
    finished = run("--input=lines.txt", "--output=counts.json", cwd=folder)
    assert finished.code == 0, finished.err
    return (folder / "counts.json").read_bytes()


def windows_in(folder: Path) -> dict[str, dict[str, int]]:
    """Returns the counts of each window, by the name of its file."""
    return {
        path.name: {
            record["word"]: record["count"]
            for record in map(json.loads, path.read_text("utf-8").splitlines())
        }
        for path in sorted(folder.glob("[!.]*Z_*"))
    }


def total_of(windows: Mapping[str, Mapping[str, int]]) -> bytes:
    """Returns the sum of windows as a result of one file."""
    total: Counter[str] = Counter()
    for counts in windows.values():
        total.update(counts)
    return (json.dumps(dict(sorted(total.items())), ensure_ascii=False, indent=2) + "\n").encode()


def name_of(start: float, end: float) -> str:
    def text(second: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))

    return f"{text(start)}_{text(end)}.jsonl"


def expected_windows(
    lines: Sequence[bytes],
    windows_of: Callable[[float], Sequence[tuple[float, float]]],
    members: frozenset[str],
) -> dict[str, dict[str, int]]:
    """Returns what an oracle counts in each window of the topic."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines):
        for start, end in windows_of(BEGAN + number / 10):
            texts[name_of(start, end)].append(line.decode())
    return {
        name: reference.counts("\n".join(text), members) for name, text in sorted(texts.items())
    }


def fixed(size: int) -> Callable[[float], Sequence[tuple[float, float]]]:
    return lambda second: [(second // size * size, second // size * size + size)]


def wait_until(condition: Callable[[], Any], running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + GIVE_UP
    while not condition():
        assert running.poll() is None, "it has ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def running(*arguments: object, cwd: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a group of processes of its own, all of which are killed at the end."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stopped(process: subprocess.Popen[bytes], number: int) -> Finished:
    """Ends a run as a user does."""
    process.send_signal(number)
    _, err = process.communicate(timeout=GIVE_UP)
    return Finished(process.returncode, b"", err.decode())


@pytest.mark.parametrize(
    "window, windows_of, more",
    [
        ("60", fixed(60), ()),
        ("1m", fixed(60), ("--engine=elementwise",)),
        (
            "sliding:60:20",
            lambda second: [
                (start, start + 60) for start in (second // 20 * 20 - back for back in (40, 20, 0))
            ],
            (),
        ),
        # All of it, as there is never a pause.
        ("session:5", None, ()),
    ],
    ids=["fixed", "elementwise", "sliding", "session"],
)
def test_every_window_is_right(
    window: str,
    windows_of: Callable[[float], Sequence[tuple[float, float]]] | None,
    more: Sequence[str],
    broker: Broker,
    topic: str,
    lines: Sequence[bytes],
    gcide: frozenset[str],
    tmp_path: Path,
) -> None:
    read = f"--input={broker.url(topic, 'until=now')}"
    finished = run(read, f"--window={window}", "--output=out", *more, cwd=tmp_path)
    assert finished.code == 0, finished.err
    found = windows_in(tmp_path / "out")
    if windows_of is None:
        last = BEGAN + (len(lines) - 1) / 10
        (name, counts) = found.popitem()
        assert not found
        assert name.startswith(name_of(BEGAN, last).partition("_")[0])
        assert counts == reference.counts(b"\n".join(lines).decode(), gcide)
    else:
        assert found == expected_windows(lines, windows_of, gcide)
    assert f"{len(lines):,} messages" in finished.err
    # There may be more messages of the last window, which is closed.
    again = run(read, f"--window={window}", "--output=out", *more, cwd=tmp_path)
    assert_one_line_error(again, "--output=out", "to the end", code=2)


def on_prism() -> Sequence[str]:
    return [f"--prism_location={prism()}"]


def test_a_run_that_is_killed_and_started_again_loses_and_doubles_nothing(
    broker: Broker,
    topic: str,
    lines: Sequence[bytes],
    batch: bytes,
    gcide: frozenset[str],
    tmp_path: Path,
) -> None:
    group = f"g-{uuid.uuid4().hex[:8]}"
    url = broker.url(topic, f"group={group}")
    arguments = (f"--input={url}", "--window=5", "--output=out", *on_prism())
    expected = expected_windows(lines, fixed(5), gcide)
    out = tmp_path / "out"
    before = 0
    for _ in range(3):
        with running(*arguments, cwd=tmp_path) as process:
            wait_until(lambda: len(windows_in(out)) > before, process)  # noqa: B023
            before = len(windows_in(out))
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: len(windows_in(out)) >= len(expected), process)
        # Kafka is told what was published, so that its own tools show it.
        wait_until(lambda: None not in broker.committed(topic, group, 4), process)
        second = run(*arguments, cwd=tmp_path)
        assert_one_line_error(second, "--output=", "out", "another run", code=1)
        finished = stopped(process, signal.SIGTERM)
    assert finished.code == 143
    assert_one_line_error(finished, "interrupted", "out", code=143)
    assert windows_in(out) == expected
    assert total_of(windows_in(out)) == batch
    assert not [
        path
        for path in out.iterdir()
        if path.name.endswith((".tmp", ".lock", ".old")) and path.name != ".stream.lock"
    ]


def test_watched_files_are_counted_once_also_when_a_run_is_killed(
    lines: Sequence[bytes], batch: bytes, tmp_path: Path
) -> None:
    parts = [b"\n".join(lines[number::3]) for number in range(3)]
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()

    def deliver(number: int) -> None:
        """Moves a file that is complete, and was written long ago, to its place."""
        unfinished = tmp_path / "unfinished"
        unfinished.write_bytes(parts[number])
        os.utime(unfinished, (BEGAN, BEGAN))
        unfinished.rename(source / f"{number}.txt")

    deliver(0)
    arguments = ("--input=in", "--watch=1", "--window=2", "--output=out", *on_prism())
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: windows_in(out), process)
        deliver(1)
        # It is written down that it was found; its window may be published or not.
        wait_until(lambda: len(list(out.glob(".found-*"))) == 2, process)
    deliver(2)
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: total_of(windows_in(out)) == batch, process)
        finished = stopped(process, signal.SIGINT)
    assert finished.code == 130, finished.err
    assert total_of(windows_in(out)) == batch


def test_messages_of_pubsub_are_counted_in_the_windows_of_an_attribute(tmp_path: Path) -> None:
    with pubsub.serving() as server:
        moments = [BEGAN // 60 * 60 + offset for offset in (5, 10, 65)]
        for moment, text in zip(moments, (b"cat", b"act", b"tac"), strict=True):
            server.publish([text], at=str(int(moment * 1000)))
        url = f"pubsub://{pubsub.SUBSCRIPTION}?timestamp=at"
        arguments = (f"--input={url}", "--window=60", "--output=out", "--min_class_size=3")
        with running(*arguments, cwd=tmp_path, **server.environment) as process:
            out = tmp_path / "out"
            wait_until(lambda: len(windows_in(out)) == 2, process)
            stopped(process, signal.SIGTERM)
    first, second = windows_in(tmp_path / "out").values()
    assert first == {"act": 2, "cat": 2, "tac": 2}
    assert second == {"act": 1, "cat": 1, "tac": 1}
