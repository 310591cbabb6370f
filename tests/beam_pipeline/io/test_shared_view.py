"""A run counts what the program that began it has seen, or fails: never less, nothing else.

Workers see other files here because the files change once the pipeline has been built, and they
list them again, as they do in other processes. A job in `tests.beam_pipeline.runners.test_portable`
has workers with another folder at the same path.
"""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline import job
from beam_pipeline.io import sources
from beam_pipeline.io.shared_view import InputSize
from beam_pipeline.io.sources import ReadFiles
from beam_pipeline.runners.run import run_to_end
from tests.support.beam import pipeline
from tests.support.cli import Here, assert_one_line_error
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with three texts, and a result."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("cat act\n")
    (tmp_path / "texts" / "b.txt").write_text("god dog\n")
    (tmp_path / "texts" / "c.gz").write_bytes(gzip.compress(b"cat tac\n", mtime=0))
    (tmp_path / "result.json").write_text('{"act": 1, "cat": 1, "tac": 1}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Lets something happen between what the client does and what the workers do."""

    def arrange(change: Callable[[], object]) -> None:
        def changed(*args: Any) -> Any:
            change()
            return run_to_end(*args)

        monkeypatch.setattr(job, "run_to_end", changed)

    return arrange


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are in another process."""
    monkeypatch.setattr(sources, "taken_over", lambda key: None)


def lose_all() -> None:
    shutil.rmtree("texts")


def lose_one() -> None:
    os.remove("texts/c.gz")


def gain_one() -> None:
    Path("texts/d.txt").write_text("cat")


def grow() -> None:
    with open("texts/a.txt", "a") as file:
        file.write("tac\n")


CHANGES = [(lose_all, "0 files of 0 bytes"), (lose_one, "2 files of 16 bytes")]
CHANGES += [(gain_one, "4 files of "), (grow, "3 files of ")]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
@pytest.mark.parametrize(("change", "found"), CHANGES)
def test_workers_that_find_other_files_fail_the_run(
    change: Callable[[], object],
    found: str,
    engine: str,
    later: Callable[[Callable[[], object]], None],
    folder: Path,
    here: Here,
) -> None:
    later(change)
    finished = here("--input=texts", "--output=out.json", f"--engine={engine}")
    names = (f"--input={folder}/texts: the workers find {found}", "this program found 3 files of ")
    assert_one_line_error(finished, *names, code=1)
    assert not Path("out.json").exists()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lose_all, "No such file"),
        (lose_one, "texts/c.gz"),
        (grow, "texts/a.txt: has become longer since it was listed"),
    ],
)
def test_a_worker_in_this_process_reads_what_was_found_or_fails(
    change: Callable[[], object],
    fault: str,
    later: Callable[[Callable[[], object]], None],
    folder: Path,
    here: Here,
) -> None:
    later(change)
    finished = here("--input=texts", "--output=out.json", "--max_attempts=1")
    assert_one_line_error(finished, fault, code=1)
    assert not Path("out.json").exists()


def test_a_file_that_is_added_later_is_not_read(
    later: Callable[[Callable[[], object]], None], folder: Path, here: Here
) -> None:
    later(gain_one)
    assert json.loads(here("--input=texts").out) == {
        **dict.fromkeys(("act", "cat", "tac"), 4),
        **dict.fromkeys(("dog", "god"), 2),
    }


@pytest.mark.usefixtures("elsewhere")
def test_an_input_beside_one_that_is_seen_is_not_forgotten(
    later: Callable[[Callable[[], object]], None], folder: Path, here: Here
) -> None:
    later(lambda: os.remove("texts/b.txt"))
    inputs = ("--input=texts/a.txt", "--input=texts/b.txt")
    finished = here(*inputs, "--on_error=dead_letter", "--dead_letters=d.jsonl")
    assert_one_line_error(finished, "find 1 file of 8 bytes there", "2 files", code=1)
    assert not Path("d.jsonl").exists()


def test_files_that_several_patterns_match_are_counted_once(folder: Path, here: Here) -> None:
    finished = here("--input=texts", "--input=texts/*.txt", "--dictionary=none")
    assert finished.code == 0, finished.err


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda: Path("result.json").write_text("{}"), "--merge=result.json: the workers find"),
        (
            lambda: Path("dead.jsonl").write_text(""),
            "--dead_letters=dead.jsonl: the workers find 1 file of 0",
        ),
    ],
)
def test_what_is_replayed_and_merged_must_be_seen_too(
    change: Callable[[], object],
    fault: str,
    later: Callable[[Callable[[], object]], None],
    folder: Path,
    here: Here,
) -> None:
    os.remove("texts/c.gz")
    Path("texts/c.gz").write_bytes(b"\x1f\x8b broken")
    dead = ("--on_error=dead_letter", "--dead_letters=dead.jsonl", "--max_attempts=1")
    assert here("--input=texts/c.gz", *dead).code == 0
    Path("texts/c.gz").write_bytes(gzip.compress(b"cat tac\n"))
    later(change)
    replay = ("replay", "dead.jsonl", "--merge=result.json", "--output=out.json")
    assert_one_line_error(here(*replay), fault, code=1)
    assert not Path("out.json").exists()


def test_an_input_that_no_worker_begins_to_read_is_missed(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All figures of the workers would be 0, and equal to each other."""
    monkeypatch.setattr(sources._PlanFn, "process", lambda self, _: ())
    finished = here("--input=texts")
    names = ("nothing published", "files matched where the run began", "3 is not 0")
    assert_one_line_error(finished, *names, code=1)


def test_a_pipeline_of_ones_own_matches_when_it_runs(folder: Path) -> None:
    side_outputs = SideOutputs()
    with pipeline() as p:
        p | ReadFiles("texts", side_outputs=side_outputs)
    assert Count.FILES_MATCHED not in side_outputs.measured
    with (
        pytest.raises(Exception, match=r"texts: the workers find 3 files .* 2 files of 16 bytes"),
        pipeline() as p,
    ):
        p | ReadFiles("texts", matched=InputSize(2, 16))
