"""Dictionaries on the command line: repeated, of every format, in every encoding, from pipes."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from beam_pipeline import run as run_here
from tests.support.cli import Finished, Here, assert_one_line_error, run
from tests.support.files import COMPRESSORS
from tests.support.reports import check_schema

HUNSPELL = b"3\nlisten/DRSMZG\nsilent/MD\ncat\tpo:noun\n"


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Here:
    """Runs the command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Here(capfdbinary)


def counts(finished: Finished) -> dict[str, int]:
    assert finished.code == 0, finished.err
    found: dict[str, int] = json.loads(finished.out)
    return found


def test_repeated_dictionaries_are_united(here: Here) -> None:
    Path("one.txt").write_text("listen\n")
    Path("two.dic").write_bytes(HUNSPELL)
    text = "--text=enlist cat dog"
    assert counts(here(text, "--dictionary=one.txt", "--dictionary", "two.dic")) == {
        "cat": 1,
        "listen": 1,
        "silent": 1,
    }
    both = counts(here(text, "--dictionary=one.txt+gcide"))
    assert counts(here(text, "--dictionary=gcide", "--dictionary=one.txt")) == both
    assert both["enlist"] == both["listen"] == 1


@pytest.mark.parametrize(
    ("dictionaries", "names"),
    [
        (["none", "gcide"], ["--dictionary=none", "cannot be joined"]),
        (["gcide", "nosuch"], ["--dictionary=nosuch: ", "cannot be read"]),
        (["gcide", ""], ["--dictionary=: "]),
        (["latin.txt"], ["--dictionary=latin.txt: ", "--dictionary_encoding=latin-1"]),
        (["ambiguous.json"], ["--dictionary=ambiguous.json: ", "give an array of words"]),
        (["gcide", "numbers.txt"], ["--dictionary=numbers.txt: no usable word in 2 entries"]),
    ],
)
def test_what_is_no_dictionary_is_one_line(
    dictionaries: Sequence[str], names: Sequence[str], here: Here
) -> None:
    Path("latin.txt").write_bytes(b"caf\xe9\n")
    Path("ambiguous.json").write_text('{"nouns": ["cat"], "verbs": ["act"]}')
    Path("numbers.txt").write_text("1\n2\nx3\n")
    finished = here("--text=cat", *(f"--dictionary={name}" for name in dictionaries))
    assert_one_line_error(finished, *names, code=2)


def test_the_encoding_of_a_list_can_be_named(here: Here) -> None:
    Path("latin.txt").write_bytes("café\r\n".encode("latin-1"))
    Path("wide.txt").write_bytes("café\r\n".encode("utf-16"))
    assert counts(here("--text=Éfac", "--dictionary=wide.txt")) == {"café": 1}
    how = ("--dictionary=latin.txt", "--dictionary_encoding=latin-1")
    assert counts(here("--text=Éfac", *how)) == {"café": 1}
    finished = here("--text=cat", "--dictionary=latin.txt", "--dictionary_encoding=nosuch")
    assert_one_line_error(finished, "--dictionary_encoding=nosuch: ", "not a known", code=2)


@pytest.mark.parametrize(
    "extension",
    [
        "",
        "gz",
        *(pytest.param(name, marks=pytest.mark.slow) for name in COMPRESSORS if name != "gz"),
    ],
)
def test_every_format_is_read_compressed_too(extension: str, here: Here) -> None:
    compress = COMPRESSORS.get(extension, bytes)
    lists = {
        "a.dic": HUNSPELL,
        "b.txt": b"\xef\xbb\xbf# words\r\nlisten\r\n\r\nsilent # quiet \r\ncat  \r\ncat",
        "c.json": b'{"words": ["listen", "silent", "cat"]}',
    }
    for name, content in lists.items():
        path = f"{name}.{extension}" if extension else name
        Path(path).write_bytes(compress(content))
        found = counts(here("--text=enlist cat", f"--dictionary={path}"))
        assert found == {"cat": 1, "listen": 1, "silent": 1}


def test_a_list_with_many_other_entries_is_mentioned(here: Here) -> None:
    Path("list.txt").write_text("cat\nact\n" + "\n".join(map("a{}".format, range(8))))
    Path("good.txt").write_text("dog\n" * 90 + "a1\n" * 10)
    how = ("--text=cat", "--dictionary=list.txt", "--dictionary=good.txt")
    notice = (
        "dictionary: 8 of 10 entries in list.txt are not words, "
        "such as 'a0', 'a1', 'a2', 'a3', 'a4'"
    )
    lines = here(*how).err.splitlines()
    assert (lines[0], len(lines)) == (notice, 2)
    lines = here(*how, "--log_format=json").err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["dictionary", "done"]
    assert json.loads(lines[0]) == {
        "event": "dictionary",
        "name": "list.txt",
        "entries": 10,
        "rejected": 8,
        "examples": ["a0", "a1", "a2", "a3", "a4"],
    }
    assert "dictionary" not in here("--text=cat", "--dictionary=good.txt").err


def test_rejected_entries_are_in_the_report(here: Here) -> None:
    Path("list.txt").write_text("cat\n<b>\nmp3\n")
    how = ("--text=cat", "--dictionary=list.txt", "--dictionary=gcide")
    counts(here(*how, "--report=r.json"))
    dictionary = check_schema(Path("r.json").read_text())["dictionary"]
    assert dictionary["spec"] == "list.txt+gcide"
    own, gcide = dictionary["sources"]
    assert own == {"name": "list.txt", "entries": 3, "rejected": 2, "examples": ["<b>", "mp3"]}
    assert (gcide["name"], gcide["entries"], gcide["rejected"]) == ("gcide", 115_325, 9_398)
    counts(here(*how, "--report=r.html"))
    page = Path("r.html").read_text()
    assert "entries of list.txt" in page
    assert "3; 2 rejected, such as &#39;&lt;b&gt;&#39;, &#39;mp3&#39;" in page


def test_two_runs_in_one_process_use_the_words_of_their_time(here: Here) -> None:
    for word in ("cat", "tac", "act"):
        Path("list.txt").write_text(f"{word}\n")
        os.utime("list.txt", ns=(0, 0))
        for engine in ("vectorized", "elementwise"):
            how = ("--dictionary=list.txt", f"--engine={engine}")
            assert counts(here("--text=cat", *how)) == {word: 1}


@pytest.mark.parametrize(
    "mode", ["in_memory", pytest.param("multi_processing", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["/dev/stdin", "pipe.json"])
def test_a_dictionary_may_be_a_pipe_on_every_local_runner(
    mode: str, name: str, tmp_path: Path
) -> None:
    words = b'["cat", "tac"]'
    if name == "pipe.json":
        os.mkfifo(tmp_path / name)
        write = (tmp_path / name).write_bytes
        threading.Thread(target=write, args=(words,), daemon=True).start()
    how = (f"--direct_running_mode={mode}", "--direct_num_workers=2", "--report=r.json")
    finished = run(
        "--text=cat", f"--dictionary={name}", *how, cwd=tmp_path, stdin=words, TMPDIR=str(tmp_path)
    )
    assert counts(finished) == {"cat": 1, "tac": 1}
    assert json.loads((tmp_path / "r.json").read_text())["dictionary"]["spec"] == name
    assert not list(tmp_path.glob("anagrams-*"))


def test_a_result_to_merge_may_be_a_pipe(here: Here) -> None:
    os.mkfifo("pipe.csv")
    content = b"word,count\r\ndog,2\r\ngod,2\r\n"
    write = Path("pipe.csv").write_bytes
    threading.Thread(target=write, args=(content,), daemon=True).start()
    assert counts(here("--text=dog", "--merge=pipe.csv")) == {"dog": 3, "god": 3}
    threading.Thread(target=write, args=(b"word\r\n",), daemon=True).start()
    finished = here("--text=dog", "--merge=pipe.csv")
    assert_one_line_error(finished, "--merge=pipe.csv: ", "no column 'count'", code=2)


def test_options_are_a_list_of_dictionaries(tmp_path: Path) -> None:
    from beam_pipeline.cli.parsing import parse

    assert parse(["--text=x"]).dictionary == ["gcide"]
    assert parse(["--text=x", "--dictionary=web2", "--dictionary=a"]).dictionary == ["web2", "a"]
    assert run_here(["--text=x", "--dictionary"]) == 2
