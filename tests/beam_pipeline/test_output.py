"""Whole runs write the right files, in the right order, and leave nothing else anywhere."""

import csv
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import reference
from tests.support.cli import (
    COMMAND,
    GIVE_UP,
    Finished,
    Here,
    assert_one_line_error,
    environment,
    run,
)

IN_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
MODES = [pytest.param((), id="in_memory"), pytest.param(IN_PROCESSES, marks=pytest.mark.slow)]
TEXT = "cat dog cat act god bird Listen silent dog dog ab ba tac " * 7
DEAD_LETTERS = ("--dead_letters=d.jsonl", "--on_error=dead_letter")


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Here:
    """Runs the command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Here(capfdbinary)


def ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


@pytest.mark.parametrize(
    ("engine", "dictionary"),
    [
        ("vectorized", "gcide"),
        ("elementwise", "none"),
        pytest.param("vectorized", "none", marks=pytest.mark.slow),
        pytest.param("elementwise", "gcide", marks=pytest.mark.slow),
    ],
)
def test_a_result_is_ranked_by_count_if_that_is_asked_for(
    engine: str, dictionary: str, here: Here, gcide: frozenset[str]
) -> None:
    expected = reference.counts(TEXT, gcide if dictionary == "gcide" else None)
    how = (f"--text={TEXT}", f"--engine={engine}", f"--dictionary={dictionary}")
    finished = here(*how, "--sort=count")
    assert list(json.loads(finished.out).items()) == ranked(expected)
    top = here(*how, "--sort", "count", "--top=3", "--output_format=csv")
    rows = list(csv.DictReader(io.StringIO(top.out.decode())))
    assert [(row["word"], int(row["count"])) for row in rows] == ranked(expected)[:3]
    by_word = here(*how, "--top=3", "--output_format=csv")
    rows = list(csv.DictReader(io.StringIO(by_word.out.decode())))
    assert [(row["word"], int(row["count"])) for row in rows] == sorted(ranked(expected)[:3])
    # A ranked result can be added to, and the sum is ranked anew.
    Path("r.json").write_bytes(finished.out)
    more = f"--text={'ab ' * 50}"
    finished = here(more, *how[1:], "--merge=r.json", "--sort=count")
    both = reference.counts(TEXT + "ab " * 50, gcide if dictionary == "gcide" else None)
    assert list(json.loads(finished.out).items()) == ranked(both)


@pytest.mark.slow
def test_a_ranked_result_is_the_same_however_many_workers_there_are(tmp_path: Path) -> None:
    for index in range(10):
        (tmp_path / f"{index}.txt").write_text(TEXT * (index + 1))
    results = set()
    for number, more in enumerate([(), IN_PROCESSES, ("--engine=elementwise",)]):
        output = tmp_path / f"r{number}.jsonl"
        finished = run("--input=*.txt", f"--output={output}", "--sort=count", *more, cwd=tmp_path)
        assert finished.code == 0, finished.err
        results.add(output.read_bytes())
    assert len(results) == 1


@pytest.mark.parametrize("option", ["--num_shards=2", "--num_shards=10000"])
def test_shards_cannot_be_ranked(option: str, here: Here) -> None:
    finished = here("--text=cat", "--output=r.json", "--sort=count", option)
    assert_one_line_error(finished, "--sort=count", "one file", code=2)


@pytest.mark.parametrize("number", ["10001", "1000000000", "9" * 5000])
def test_more_shards_than_can_be_named_are_refused(number: str, here: Here) -> None:
    finished = here("--text=cat", "--output=r.json", f"--num_shards={number}")
    assert_one_line_error(finished, "--num_shards", "from 1 to 10,000", code=2)


@pytest.mark.parametrize("name", ["o.json.gz", "o.csv.deflate"])
def test_compressed_shards_can_be_added_to(name: str, here: Here, tmp_path: Path) -> None:
    shards = (f"--output={name}", "--num_shards=3")
    assert here("--text=cat", *shards, "--report=r.json").code == 0
    report = json.loads(Path("r.json").read_text())
    assert report["largest_classes"][0]["count"] == 1, report["unknown"]
    finished = here("--text=cat cat", *shards, f"--merge={name}")
    assert finished.code == 0, finished.err
    finished = here("--text=", f"--merge={name}")
    assert json.loads(finished.out) == {"act": 3, "cat": 3, "tac": 3}


@pytest.mark.parametrize("mode", MODES)
def test_a_result_replaces_another_through_a_link_with_its_mode(
    mode: tuple[str, ...], here: Here, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "counts.json"
    target.write_text("old")
    target.chmod(0o604)
    for name in ("r.json", "d.jsonl", "report.json"):
        if name != "r.json":
            (tmp_path / "real" / name).touch(0o604)
            (tmp_path / "real" / name).chmod(0o604)
        Path(name).symlink_to(target if name == "r.json" else f"real/{name}")
    finished = here("--text=cat", "--output=r.json", "--report=report.json", *DEAD_LETTERS, *mode)
    assert finished.code == 0, finished.err
    assert json.loads(target.read_text()) == {"act": 1, "cat": 1, "tac": 1}
    assert sorted(os.listdir(tmp_path)) == ["d.jsonl", "r.json", "real", "report.json"]
    assert sorted(os.listdir("real")) == ["counts.json", "d.jsonl", "report.json"]
    assert all(Path(name).is_symlink() for name in ("r.json", "d.jsonl", "report.json"))
    assert {path.stat().st_mode & 0o777 for path in Path("real").iterdir()} == {0o604}


@pytest.mark.parametrize("mode", MODES)
def test_a_result_replaces_one_of_another_number_of_shards(
    mode: tuple[str, ...], here: Here, tmp_path: Path
) -> None:
    for number in (1, 3, 2, 1):
        finished = here("--text=cat", "--output=r.json", f"--num_shards={number}", *mode)
        assert finished.code == 0, finished.err
        assert len(os.listdir(tmp_path)) == number
        # Only one result stands there, which can be added to.
        assert json.loads(here("--text=", "--merge=r.json").out)["cat"] == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "leads_to",
    [
        "real/counts.json",
        pytest.param("second", marks=pytest.mark.slow),
        pytest.param("new/counts.json", marks=pytest.mark.slow),
    ],
)
def test_a_result_at_a_link_is_added_to_with_any_number_of_shards(
    leads_to: str, mode: tuple[str, ...], here: Here, tmp_path: Path
) -> None:
    """Whatever the link leads to, also nothing yet, and through another link."""
    (tmp_path / "real").mkdir()
    Path("second").symlink_to("real/counts.json")
    Path("r.json").symlink_to(leads_to)
    how = ("--text=cat", "--dictionary=none", "--output=r.json", *mode)
    merge: tuple[str, ...] = ()
    for added, number in enumerate((2, 1, 3, 1) if leads_to.startswith("new") else (1, 2, 1), 1):
        finished = here(*how, f"--num_shards={number}", *merge)
        assert finished.code == 0, finished.err
        merge = ("--merge=r.json",)
        total = here("--text=", "--dictionary=none", *merge)
        assert json.loads(total.out) == {"cat": added}, total.err
        assert os.readlink("r.json") == leads_to
        found = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
        if number == 1:
            assert found == [Path("r.json").resolve()]
        else:
            names = {f"r.json-{shard:05d}-of-{number:05d}" for shard in range(number)}
            assert set(found) == {tmp_path / name for name in names}


def test_what_is_named_like_a_lock_does_not_disturb_a_run(here: Here, tmp_path: Path) -> None:
    os.mkfifo(".r.json.aaaaaaaaaaaa.lock")
    Path(".r.json.bbbbbbbbbbbb.lock").symlink_to("/dev/zero")
    Path(".r.json.cccccccccccc.manifest").symlink_to("/dev/zero")
    os.mkfifo("r.json-00000-of-00002")
    finished = here("--text=cat", "--output=r.json")
    assert finished.code == 0, finished.err
    assert json.loads(Path("r.json").read_text())["cat"] == 1
    assert sorted(os.listdir(tmp_path)) == [
        ".r.json.aaaaaaaaaaaa.lock",
        ".r.json.bbbbbbbbbbbb.lock",
        "r.json",
        "r.json-00000-of-00002",
    ]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, empty."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--input=nofile"], 2),
        (["--input=bad.gz"], 1),
        (["--text=cat", "--dictionary=nofile"], 2),
        (["--text=cat", "--merge=nofile"], 2),
        (["--text=cat", "--output=/proc/r.json"], 1),
        (["--text=cat", "--output=r.json", "--dead_letters=/proc/d", DEAD_LETTERS[1]], 1),
        (["--text=cat", "--chaos=expand=1,latency=0", "--max_attempts=1"], 1),
        (["--text=cat", "--output=r.json", "--report=/proc/r.html"], 1),
        (["--text=cat", "--runner=FlinkRunner", "--output=r.json"], 2),
        (["--text=cat"], 0),
    ],
    ids=str,
)
def test_nothing_is_left_in_the_temporary_folder(
    arguments: list[str], code: int, here: Here, temporary: Path
) -> None:
    Path("bad.gz").write_bytes(b"\x1f\x8b\x08 and so on")
    finished = here(*arguments)
    assert finished.code == code, finished.err
    assert os.listdir(temporary) == []


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--text=cat",), ("--input=bad.gz",)])
def test_nothing_is_left_by_workers_either(
    arguments: tuple[str, ...], tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8b\x08 and so on")
    run(*arguments, *IN_PROCESSES, cwd=tmp_path, TMPDIR=str(temporary))
    assert os.listdir(temporary) == []


#: Files have at most 150 kB (blocks of 512 bytes, or of 1024), as if a disk were full.
LIMITED = ["sh", "-c", 'ulimit -f 150 && exec "$@"', "sh", *COMMAND]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A text whose result without a dictionary is larger than any file may be."""
    path = tmp_path / "words.txt"
    path.write_text(" ".join(f"{number:x}" for number in range(40_000)))
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "num_shards"),
    [
        ("--output", 1),
        pytest.param("--output", 2, marks=pytest.mark.slow),
        pytest.param("--dead_letters", 1, marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_line_and_the_old_result_stands(
    name: str, num_shards: int, mode: tuple[str, ...], tmp_path: Path, words: Path
) -> None:
    arguments = [f"--input={words}", "--dictionary=none", "--output=r.json", *mode]
    arguments.append(f"--num_shards={num_shards}")
    if name == "--dead_letters":
        arguments += [*DEAD_LETTERS, "--chaos=expand=1,latency=0", "--max_attempts=1"]
    names = [f"r.json-0000{n}-of-00002" for n in range(2)] if num_shards == 2 else ["r.json"]
    for old in [*names, "d.jsonl"]:
        (tmp_path / old).write_text("old")
    finished = subprocess.run(
        [*LIMITED, *arguments],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        timeout=GIVE_UP,
    )
    result = Finished(finished.returncode, finished.stdout, finished.stderr.decode())
    path = "d.jsonl" if name == "--dead_letters" else "r.json"
    assert_one_line_error(result, f"{name}={path}", "File too large", code=1)
    left = {each.name: each.read_text() for each in tmp_path.iterdir() if each != words}
    assert left == dict.fromkeys([*names, "d.jsonl"], "old")


def test_a_full_temporary_folder_is_named_where_the_result_is_printed(
    tmp_path: Path, words: Path
) -> None:
    finished = subprocess.run(
        [*LIMITED, f"--input={words}", "--dictionary=none"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        timeout=GIVE_UP,
    )
    result = Finished(finished.returncode, finished.stdout, finished.stderr.decode())
    assert_one_line_error(result, f"error: {tmp_path}: ", "File too large", "TMPDIR", code=1)
    assert os.listdir(tmp_path) == [words.name]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of its own with room for 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("free", [0, 1])
def test_a_disk_that_is_full_is_one_line_and_the_old_result_stands(
    free: int, mode: tuple[str, ...], tiny_disk: Path, here: Here, words: Path
) -> None:
    """Without any room at all, or with too little for the result."""
    output = tiny_disk / "r.json"
    output.write_text("old")
    if not free:
        with pytest.raises(OSError, match="No space"), (tiny_disk / "full").open("wb", 0) as file:
            while True:
                file.write(bytes(4096))
    before = sorted(os.listdir(tiny_disk))
    finished = here(f"--input={words}", "--dictionary=none", f"--output={output}", *mode)
    assert_one_line_error(finished, f"--output={output}", "No space left", code=1)
    assert output.read_text() == "old"
    assert sorted(os.listdir(tiny_disk)) == before
    if not free:
        report = tiny_disk / "report.html"
        finished = here("--text=cat", "--output=r.json", f"--report={report}")
        assert_one_line_error(finished, f"--report={report}", "No space left", code=1)
        assert sorted(os.listdir(tiny_disk)) == before
