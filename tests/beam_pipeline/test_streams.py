"""Streams from the command line: every window is right, and the sum of all is the batch result."""

import json
import os
import re
import shlex
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from beam_pipeline.pipeline import ENGINES
from tests.support import kafka, pubsub, reference
from tests.support.cli import GIVE_UP, ROOT, Finished, assert_one_line_error, run
from tests.support.kafka import Broker
from tests.support.programs import prism
from tests.support.reports import check_schema
from tests.support.running import running, stopped, wait_until
from tests.support.sessions import masked, printed_by, sessions
from tests.support.window_files import expected_windows, fixed, name_of, total_of, windows_in

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
    reports = ("--report=run.json", "--report=run.html")
    finished = run(read, f"--window={window}", "--output=out", *reports, *more, cwd=tmp_path)
    assert finished.code == 0, finished.err
    found = windows_in(tmp_path / "out")
    if windows_of is None:
        last = BEGAN + (len(lines) - 1) / 10
        (name, counts) = found.popitem()
        assert not found
        assert name.startswith(name_of(BEGAN, last).partition("_")[0])
        assert counts == reference.counts(b"\n".join(lines).decode(), gcide)
    else:
        assert found == expected_windows(lines, windows_of, gcide, BEGAN)
    assert f"{len(lines):,} messages" in finished.err
    report = check_schema((tmp_path / "run.json").read_text())
    assert report["status"] == "done"
    stream = report["stream"]
    assert (stream["kind"], stream["messages"], stream["lag"]) == ("kafka", len(lines), None)
    names = sorted(path.name for path in (tmp_path / "out").glob("[!.]*"))
    assert stream["windows"] == len(names) == len(report["result"])
    assert stream["first_window_start"] <= stream["last_window_end"]
    records = sum(map(len, windows_in(tmp_path / "out").values()))
    assert report["metrics"]["records_written"] == records
    assert report["metrics"]["blocks_read"] >= len(lines)
    assert all(invariant["holds"] for invariant in report["invariants"])
    assert "windows" in (tmp_path / "run.html").read_text()
    compared = run("compare-reports", "run.json", "run.json", "--same_result", cwd=tmp_path)
    assert compared.code == 0, compared.err
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
    expected = expected_windows(lines, fixed(5), gcide, BEGAN)
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


def test_late_messages_of_a_run_that_is_killed_are_counted_once(
    broker: Broker, gcide: frozenset[str], tmp_path: Path
) -> None:
    broker.make_topic("late", 2)
    sent: list[str] = []
    out, began = tmp_path / "out", BEGAN // 10 * 10

    def send(*messages: tuple[bytes, int]) -> None:
        sent.extend(text.decode("utf-8", "ignore") for text, _ in messages)
        times = (began + second for _, second in messages)
        broker.send("late", [text for text, _ in messages], 2, times=times)

    def all_are_counted() -> bool:
        expected = {"": reference.counts("\n".join(sent), gcide)}
        return total_of(windows_in(out)) == total_of(expected)

    arguments = (
        *(f"--input={broker.url('late')}", "--window=10", "--allowed_lateness=1d"),
        *("--output=out", "--dead_letters=dead", "--encoding_errors=quarantine", *on_prism()),
    )
    for number in range(3):
        with running(*arguments, cwd=tmp_path) as process:
            send((b"the cat", 1), (b"tac", 12))
            wait_until(all_are_counted, process)
            before = {path: path.read_bytes() for path in out.glob("[!.]*")}
            # These are late, as the clock has passed their windows. When the run is killed they
            # have been read, and wait for more that will be published with them.
            send((b"act dog", 2), (b"a cat", 13), (b"silent", 25 + 10 * number), (b"\xff", 3))
            time.sleep(3)
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(all_are_counted, process)
        wait_until(lambda: len(dead_letters(tmp_path / "dead")) == 3, process)
        stopped(process, signal.SIGTERM)
    assert all_are_counted()
    assert all(path.read_bytes() == data for path, data in before.items())
    assert len(dead_letters(tmp_path / "dead")) == 3


def dead_letters(folder: Path) -> list[bytes]:
    """The dead letters in a folder of windows."""
    return [line for path in folder.glob("[!.]*") for line in path.read_bytes().splitlines()]


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
    # No file is late, so a window is whole when it is there: its files are not read again.
    arguments = (
        *("--input=in", "--watch=1", "--window=2", "--allowed_lateness=1h", "--output=out"),
        # A stream goes on behind the time for which a job server is waited for.
        *("--job_server_timeout=10", *on_prism()),
    )
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: windows_in(out), process)
        deliver(1)
        # It is written down that it was found; its window may be published or not.
        wait_until(lambda: len(list(out.glob(".found-*"))) == 2, process)
    (source / "0.txt").unlink()
    deliver(2)
    before = len(windows_in(out))
    with running(*arguments, "--report=run.json", cwd=tmp_path) as process:
        wait_until(lambda: total_of(windows_in(out)) == batch, process)
        finished = stopped(process, signal.SIGINT)
    assert_one_line_error(finished, "interrupted; the windows that were complete", code=130)
    report = check_schema((tmp_path / "run.json").read_text())
    assert report["error"].startswith("interrupted")
    assert report["stream"]["windows"] == len(windows_in(out)) - before > 0
    assert report["metrics"]["words"] > 0
    assert total_of(windows_in(out)) == batch


def test_the_session_in_the_readme_can_be_repeated_as_printed(
    broker: Broker, tmp_path: Path
) -> None:
    readme = ROOT / "beam_pipeline" / "io" / "streams" / "README.md"
    (session,) = (session for session in sessions(readme) if session.kind == "streams")
    text = readme.read_text("utf-8").replace("localhost:9092", broker.server)
    (commands,) = re.findall(r"^```sh\n(python .*?kafka_broker.*?)^```", text, re.M | re.DOTALL)
    topic, count = (line for line in commands.splitlines() if broker.server in line)
    assert "num_partitions" in printed_by(topic, tmp_path)
    program, module, name, *arguments = shlex.split(count)
    assert (program, module, name) == ("python", "-m", "beam_pipeline")
    with running(*arguments, *on_prism(), cwd=tmp_path) as process:
        for command, printed in session.steps:
            if command.startswith("sleep"):
                wait_until(lambda: windows_in(tmp_path / "counts"), process)
                continue
            if "kafka.producer" in command:
                time.sleep(10 - time.time() % 10)  # to the start of a window: it gets both lines
            here = command.replace("localhost:9092", broker.server)
            assert masked(printed_by(here, tmp_path)) == masked(printed), command
        assert_one_line_error(stopped(process, signal.SIGINT), "interrupted", "counts", code=130)


@pytest.mark.parametrize("engine", ENGINES)
def test_watched_files_are_groups(engine: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    texts = {"a.txt": b"cat tac\nact", "sub/b.txt": b"cat", "sub/c.txt": b"cat\n\xff tac\n"}
    for name, text in texts.items():
        (source / name).write_bytes(text)
        os.utime(source / name, (BEGAN, BEGAN))
    arguments = (
        *("--input=in", "--watch=1", "--window=2", "--output=out", "--output_format=json"),
        *("--group_by=file", f"--engine={engine}", "--min_class_size=3"),
        *("--encoding_errors=quarantine", "--dead_letters=dead", *on_prism()),
    )

    def found() -> dict[str, dict[str, int]]:
        groups: dict[str, dict[str, int]] = {}
        for path in sorted(out.glob("[!.]*Z_*")):
            groups |= json.loads(path.read_text())
        return groups

    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: len(found()) == 3, process)
        stopped(process, signal.SIGTERM)
    once = dict.fromkeys(("act", "cat", "tac"), 1)
    assert found() == {
        "in/a.txt": dict.fromkeys(once, 3),
        "in/sub/b.txt": once,
        "in/sub/c.txt": once,
    }
    (dead,) = (tmp_path / "dead").glob("[!.]*")
    assert json.loads(dead.read_text())["group"] == "in/sub/c.txt"
    replayed = run("replay", dead, "--encoding_errors=replace", cwd=tmp_path)
    assert json.loads(replayed.out) == {"in/sub/c.txt": once}


def test_a_runner_that_panics_is_one_line_and_the_same_command_continues(tmp_path: Path) -> None:
    def add(name: str) -> None:
        path = tmp_path / "in" / name
        path.write_text("cat")
        os.utime(path, (BEGAN, BEGAN))

    (tmp_path / "in").mkdir()
    add("a.txt")
    arguments = ("--input=in", "--watch=1", "--window=1", "--output=out", *on_prism())
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: windows_in(tmp_path / "out"), process)
        children = psutil.Process(process.pid).children()  # the other one ends it with this one
        (runner,) = (child for child in children if child.name() == "prism")
        runner.send_signal(signal.SIGABRT)  # it prints the stacks of all goroutines, as for a panic
        _, err = process.communicate(timeout=GIVE_UP)
    finished = Finished(process.returncode, b"", err.decode())
    assert_one_line_error(finished, "job server has ended (exit code 2: SIGABRT: abort", code=1)
    add("b.txt")
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: len(windows_in(tmp_path / "out")) == 2, process)


def test_messages_of_pubsub_are_counted_in_the_windows_of_an_attribute(tmp_path: Path) -> None:
    with pubsub.serving() as server:
        moments = [BEGAN // 60 * 60 + offset for offset in (5, 10, 65)]
        for moment, text in zip(moments, (b"cat", b"act", b"tac"), strict=True):
            server.publish([text], at=str(int(moment * 1000)))
        url = f"pubsub://{pubsub.SUBSCRIPTION}?timestamp=at"
        arguments = (f"--input={url}", "--window=60", "--output=out", "--min_class_size=3")
        with running(*arguments, cwd=tmp_path, **server.environment) as process:
            process.continues = False  # messages that were received do not come again
            out = tmp_path / "out"
            wait_until(lambda: len(windows_in(out)) == 2, process)
            stopped(process, signal.SIGTERM)
    first, second = windows_in(tmp_path / "out").values()
    assert first == {"act": 2, "cat": 2, "tac": 2}
    assert second == {"act": 1, "cat": 1, "tac": 1}
