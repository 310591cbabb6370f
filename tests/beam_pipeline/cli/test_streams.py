"""What the command line says of streams before anything runs."""

import importlib.util
from pathlib import Path

import pytest

from beam_pipeline.io.streams.state import StreamState
from tests.support.cli import Here, assert_one_line_error

pytest.importorskip("apache_beam.io.unbounded_source", reason="Beam 2.77 has it")

KAFKA = "--input=kafka://127.0.0.1:9/t"
WINDOW = ("--window=60", "--output=out")


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Here:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("cat\n")
    return Here(capfdbinary)


@pytest.mark.parametrize(
    "arguments, names",
    [
        (("--text=cat", "--window=60"), ("--window=60", "event times")),
        (("--input=in", "--window=60", "--output=out"), ("--window=60", "event times")),
        (("--text=cat", "--allowed_lateness=5m"), ("--allowed_lateness=300", "event times")),
        (("--text=cat", "--streaming"), ("--streaming", "no stream")),
        ((KAFKA, "--output=out"), (KAFKA, "window")),
        (("--input=in", "--watch=5", "--output=out"), ("--watch=5", "window")),
        ((KAFKA, "--window=60"), ("--output", "folder")),
        ((KAFKA, "--window=60", "--output=-"), ("--output=-", "folder")),
        ((KAFKA, *WINDOW, "--top=3", "--allowed_lateness=60"), ("--top=3",)),
        (
            (KAFKA, "--window=session:9", "--output=out", "--allowed_lateness=60"),
            ("--allowed_lateness=60", "sessions"),
        ),
        ((KAFKA, *WINDOW, "--report=r.json"), ("--report=r.json",)),
        ((KAFKA, *WINDOW, "--telemetry=openlineage"), ("--telemetry=openlineage",)),
        ((KAFKA, *WINDOW, "--num_shards=2"), ("--num_shards=2",)),
        ((KAFKA, *WINDOW, "--merge=r.json"), ("--merge=r.json", "no window")),
        ((KAFKA, *WINDOW, "--input=in"), (KAFKA, "only input")),
        ((KAFKA, *WINDOW, "--watch=5"), ("--watch=5",)),
        (("--text=cat", *WINDOW, "--watch=5"), ("--text=cat", "no stream")),
        ((*WINDOW, "--watch=5"), ("--watch=5", "files")),
        (("--input=-", *WINDOW, "--watch=5"), ("--input=-", "watched")),
        (("--input=in", *WINDOW, "--watch=0"), ("--watch=0",)),
        (
            ("--input=in", "--watch=5", "--window=60", "--output=in/out"),
            ("--output=in/out", "read"),
        ),
        (("--input=in", *WINDOW, "--watch=5y"), ("--watch", "5y")),
        ((KAFKA, "--window=sliding:10:20", "--output=out"), ("--window", "period")),
        (("--input=kafka://127.0.0.1/t", *WINDOW), ("HOST:PORT",)),
        ((f"{KAFKA}?until=then", *WINDOW), ("until",)),
        ((KAFKA, *WINDOW, "--runner=FnApiRunner"), ("--runner=FnApiRunner", "PrismRunner")),
        (("--input=in", *WINDOW, "--watch=5", "--runner=FnApiRunner"), ("--runner=FnApiRunner",)),
        ((KAFKA, *WINDOW, "--runner=BundleBasedDirectRunner"), ("--runner=BundleBased",)),
        ((f"{KAFKA}?until=now", *WINDOW, "--runner=FlinkRunner"), ("--runner=FlinkRunner", "lost")),
        (("--input=pubsub://p/s", *WINDOW), ("--input=pubsub://p/s",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_a_stream_cannot_be_is_one_line(
    arguments: tuple[str, ...], names: tuple[str, ...], here: Here, tmp_path: Path
) -> None:
    assert_one_line_error(here(*arguments), *names, code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_folder_of_other_windows_is_not_added_to(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    StreamState({"window": "30"}).write(str(folder))
    watch = ("--input=in", "--watch=5", "--runner=PrismRunner", *WINDOW)
    assert_one_line_error(here(*watch), "out", "begun with", code=2)


def test_a_folder_whose_state_cannot_be_read_is_an_error(here: Here, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".stream.json").write_text("nonsense")
    watch = ("--input=in", "--watch=5", "--runner=PrismRunner", *WINDOW)
    assert_one_line_error(here(*watch), "--output=out", ".stream.json", code=1)


def test_a_client_that_is_missing_is_one_line(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "kafka" else find(name)
    )
    assert_one_line_error(here(KAFKA, *WINDOW), KAFKA, "beam-anagrams[kafka]", code=2)


def test_an_older_beam_is_one_line(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "unbounded" in name else find(name)
    )
    assert_one_line_error(here("--input=in", "--watch=5", *WINDOW), "--watch=5", "2.77", code=2)
