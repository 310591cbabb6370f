"""What the command line says of streams before anything runs."""

from pathlib import Path

import pytest

from beam_pipeline.io.streams.state import StreamState
from tests.support.cli import Here, assert_one_line_error
from tests.support.packages import without

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
        (("--text=cat", "--window=60"), ("--window=60", "event times", "--watch=SECONDS")),
        (("--input=in", "--window=60", "--output=out"), ("--window=60", "event times")),
        (("--text=cat", "--allowed_lateness=5m"), ("--allowed_lateness=300", "event times")),
        (("--text=cat", "--streaming"), ("--streaming", "no stream", "--watch=SECONDS")),
        ((KAFKA, "--output=out"), (KAFKA, "--window=1m")),
        (("--input=in", "--watch=5", "--output=out"), ("--watch=5", "--window=1m")),
        ((KAFKA, "--window=60"), ("--output", "folder")),
        ((KAFKA, "--window=60", "--output=-"), ("--output=-", "folder")),
        ((KAFKA, *WINDOW, "--top=3", "--allowed_lateness=60"), ("--top=3",)),
        (
            (KAFKA, "--window=session:9", "--output=out", "--allowed_lateness=60"),
            ("--allowed_lateness=60", "sessions"),
        ),
        ((KAFKA, *WINDOW, "--num_shards=2"), ("--num_shards=2",)),
        ((KAFKA, *WINDOW, "--group_by=file"), ("--group_by=file", KAFKA[8:], "messages")),
        ((KAFKA, *WINDOW, "--merge=r.json"), ("--merge=r.json", "no window")),
        ((KAFKA, *WINDOW, "--input=in"), (KAFKA, "only input")),
        ((KAFKA, *WINDOW, "--watch=5"), ("--watch=5",)),
        (("--text=cat", *WINDOW, "--watch=5"), ("--text=cat", "not a stream")),
        ((*WINDOW, "--watch=5"), ("--watch=5", "files", "--input=PATTERN")),
        (("--input=-", *WINDOW, "--watch=5"), ("--input=-", "watched")),
        (("--input=in", *WINDOW, "--watch=0"), ("--watch=0",)),
        (
            ("--input=in", "--watch=5", "--window=60", "--output=in/out"),
            ("--output=in/out", "read"),
        ),
        (("--input=in", *WINDOW, "--watch=5y"), ("--watch", "5y")),
        ((KAFKA, "--window=sliding:10:20", "--output=out"), ("--window", "period")),
        ((KAFKA, "--window=5x"), ("--window: '5x' is not a number of seconds",)),
        ((KAFKA, "--window=sliding:5"), ("--window: 'sliding:5' is not SECONDS",)),
        ((KAFKA, "--window=session:5x"), ("--window: 'session:5x': '5x' is not a number",)),
        (("--input=kafka://127.0.0.1/t", *WINDOW), ("HOST:PORT",)),
        ((f"{KAFKA}?until=then", *WINDOW), ("until",)),
        ((KAFKA, *WINDOW, "--runner=FnApiRunner"), ("--runner=FnApiRunner", "PrismRunner")),
        (("--input=in", *WINDOW, "--watch=5", "--runner=FnApiRunner"), ("--runner=FnApiRunner",)),
        ((KAFKA, *WINDOW, "--runner=BundleBasedDirectRunner"), ("--runner=BundleBased",)),
        ((f"{KAFKA}?until=now", *WINDOW, "--runner=SparkRunner"), ("--runner=SparkRunner", "end")),
        (("--input=in", *WINDOW, "--watch=5", "--runner=SparkRunner"), ("--runner=SparkRunner",)),
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


def test_files_of_groups_are_called_in_one_way(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    settings = {"input": [f"{tmp_path}/in as in"]}
    StreamState(settings).write(str(tmp_path / "out"))
    watch = (*("--watch=5", "--runner=PrismRunner", "--window=60"), "--group_by=file")
    before = (f"begun with ['{tmp_path}/in as in']", "--input")
    finished = here("--input=./in", "--output=out", *watch)
    assert_one_line_error(finished, f"{tmp_path}/in as ./in", *before, code=2)
    monkeypatch.chdir(tmp_path / "in")
    assert_one_line_error(here("--input=.", "--output=../out", *watch), *before, code=2)


def test_a_folder_whose_state_cannot_be_read_is_an_error(here: Here, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".stream.json").write_text("nonsense")
    watch = ("--input=in", "--watch=5", "--runner=PrismRunner", *WINDOW)
    assert_one_line_error(here(*watch), "--output=out", ".stream.json", code=1)


def test_a_client_that_is_missing_is_one_line(here: Here) -> None:
    with without("kafka"):
        finished = here(KAFKA, *WINDOW)
    assert_one_line_error(finished, KAFKA, "beam-anagrams[kafka]", code=2)


def test_an_older_beam_is_one_line(here: Here) -> None:
    with without("apache_beam.io.unbounded_source"):
        finished = here("--input=in", "--watch=5", *WINDOW)
    assert_one_line_error(finished, "--watch=5", "2.77", code=2)
