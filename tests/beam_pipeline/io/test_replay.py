"""Dead letters are counted later, once their cause is repaired, as if nothing had failed."""

import gzip
import json
import os
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

import beam_pipeline
from tests.support.cli import Finished, Here, assert_one_line_error, run
from tests.support.files import COMPRESSORS

CLEAN = "cat dog listen\nsoftware stream x-ray\n"
LONG_RUN = 5 << 20


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a few texts."""
    (tmp_path / "texts").mkdir()
    for number in range(4):
        (tmp_path / "texts" / f"{number:03d}.txt").write_text(CLEAN * (1 + number % 3))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def dead_letter(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The dead letter of a run in which a stage fails."""
    path = tmp_path_factory.mktemp("dead") / "dead.jsonl"
    failing = ("--on_error=dead_letter", "--max_attempts=1", "--chaos=filter=1,latency=0")
    assert beam_pipeline.run(["--text=cat", *failing, f"--dead_letters={path}"]) == 0
    return path.read_bytes()


def ok(finished: Finished) -> Finished:
    assert finished.code == 0, finished.err
    return finished


def letters(path: str = "dead.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def truncated(name: str) -> bytes:
    data = random.Random(4).choices(["cat ", "dog\n", "listen ", "zz\n"], k=40_000)
    whole = COMPRESSORS[name]("".join(data).encode())
    return whole[: len(whole) // 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "engine"),
    [
        ("gz", "vectorized"),
        ("bz2", "elementwise"),
        ("zst", "vectorized"),
        ("unreadable", "vectorized"),
        ("unreadable", "elementwise"),
    ],
)
def test_one_file_of_a_hundred_that_cannot_be_read_is_counted_later(
    fault: str, engine: str, folder: Path, here: Here
) -> None:
    for number in range(100):
        Path(f"texts/{number:03d}.txt").write_text(CLEAN)
    bad = folder / "texts" / f"050.txt{'' if fault == 'unreadable' else '.' + fault}"
    if fault == "unreadable":  # for everyone, the superuser too: its first byte is an error
        whole = bad.read_bytes()
        repaired = whole
        bad.unlink()
        bad.symlink_to("/proc/self/mem")
    else:
        repaired = COMPRESSORS[fault](b"cat tac " * 9)
        bad.write_bytes(truncated(fault))
    Path("out.json").write_text("old")
    common = ("--input=texts", "--output=out.json", f"--engine={engine}", "--max_attempts=2")
    finished = here(*common)
    assert_one_line_error(finished, bad, "stage read failed", code=1)
    assert Path("out.json").read_text() == "old"

    to_dead_letters = ("--on_error=dead_letter", "--dead_letters=dead.jsonl")
    finished = ok(here(*common, *to_dead_letters))
    assert "dead letters: 1 in" in finished.err
    (letter,) = letters()
    assert (letter["stage"], letter["source"], letter["kind"]) == ("read", str(bad), "file")
    assert letter["attempts"] == (2 if fault == "unreadable" else 1)

    if letter["offset"]:  # what was read before it ended is counted already: the same must come
        data = random.Random(4).choices(["cat ", "dog\n", "listen ", "zz\n"], k=40_000)
        repaired = COMPRESSORS[fault]("".join(data).encode())
    bad.unlink()
    bad.write_bytes(repaired)
    ok(here(*common[:1], common[2], "--output=clean.json"))
    assert Path("out.json").read_bytes() != Path("clean.json").read_bytes()
    ok(here("replay", "dead.jsonl", "--merge=out.json", "--output=out.json", common[2]))
    assert Path("out.json").read_bytes() == Path("clean.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("dictionary", ["gcide", "none"])
@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_undecodable_lines_are_counted_once_their_bytes_are_accepted(
    engine: str, dictionary: str, folder: Path, here: Here
) -> None:
    long_run = b"d\xffog" + b"=" * LONG_RUN + b"\xfftac"
    Path("texts/001.txt").write_bytes(b"good cat\nbad \xff dog\n\xfe\nact\n")
    Path("texts/002.txt").write_bytes(b"cat\n" + long_run + b"\ncat")
    options = ("--input=texts", f"--engine={engine}", f"--dictionary={dictionary}")
    ok(here(*options, "--output=clean.json"))
    to_dead_letters = ("--encoding_errors=quarantine", "--dead_letters=dead.jsonl")
    ok(here(*options, *to_dead_letters, "--output=out.json"))
    assert [letter["kind"] for letter in letters()].count("file") == 1
    assert len(letters()) == 3
    assert Path("out.json").read_bytes() != Path("clean.json").read_bytes()
    replay = ("replay", "dead.jsonl", "--merge=out.json", f"--engine={engine}")
    assert_one_line_error(here(*replay), "--encoding_errors=replace", "--dead_letters", code=2)
    again = here(*replay, "--output=still.json", "--dead_letters=still.jsonl")
    assert "dead letters: 3 in" in again.err
    assert Path("still.json").read_bytes() == Path("out.json").read_bytes()
    ok(here(*replay, "--encoding_errors=replace", "--output=out.json"))
    assert Path("out.json").read_bytes() == Path("clean.json").read_bytes()


def test_lines_of_another_encoding_are_counted_in_it(folder: Path, here: Here) -> None:
    Path("texts/001.txt").write_bytes("cat\nna\xefve caf\xe9\ncat\n".encode("latin-1"))
    to_dead_letters = (
        "--encoding_errors=quarantine",
        "--dead_letters=dead.jsonl",
        "--dictionary=none",
    )
    ok(here("--input=texts/001.txt", *to_dead_letters, "--output=out.json", "--encoding=UTF8"))
    replay = ("replay", "dead.jsonl", "--merge=out.json", "--encoding=latin-1")
    finished = ok(here(*replay, "--encoding_errors=strict"))
    assert json.loads(finished.out) == {"café": 1, "cat": 2, "naïve": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dictionary", "name", "options"),
    [
        ("gcide", "r.json", []),
        ("gcide", "r.jsonl", []),
        ("gcide", "r.csv", []),
        ("gcide", "r.parquet", []),
        ("gcide", "r.json.gz", []),
        ("none", "r.csv.bz2", []),
        ("gcide", "r.json", ["--num_shards=3"]),
        ("none", "r.parquet", ["--num_shards=2"]),
        ("none", "r", []),
    ],
)
def test_results_of_every_format_can_be_added_to(
    dictionary: str, name: str, options: list[str], folder: Path, here: Here
) -> None:
    how = (f"--dictionary={dictionary}", *options)
    kind = [] if "." in name else ["--output_format=json"]
    ok(here("--input=texts/00[01]*", f"--output={name}", *kind, *how))
    added = ok(here("--input=texts/00[23]*", f"--merge={name}", f"--dictionary={dictionary}"))
    whole = ok(here("--input=texts", f"--dictionary={dictionary}"))
    assert added.out == whole.out


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "r.json", "there is no such result"),
        ("[", "r.json", "cannot be read as a result"),
        ("[1]", "r.json", "cannot be read as a result"),
        ('{"cat": 1, "act": 2, "tac": 1}', "r.json", "has another count than its anagrams"),
        ('{"cat": 1, "act": 1}', "r.json", "its anagrams are missing"),
        ('{"foobar": 1}', "r.json", "is not a word of the dictionary"),
        ('{"dog": 1, "god": "1"}', "r.json", "'1' is not a count"),
        ('{"dog": true, "god": true}', "r.json", "not a count"),
        ('{"dog": -1, "god": -1}', "r.json", "-1 is not a count"),
        ("word,count\ncat,x\n", "r.csv", "cannot be read as a result"),
        ("count\n1\n", "r.csv", "cannot be read as a result"),
        ('{"word": "cat"}\n', "r.jsonl", "cannot be read as a result"),
        ("PAR1", "r.parquet", "cannot be read as a result"),
        ("{}", "r.json.gz", "cannot be read as a result"),
    ],
)
def test_a_result_that_cannot_be_merged_is_a_one_line_error(
    content: str | None, name: str, message: str, folder: Path, here: Here
) -> None:
    if content is not None:
        Path(name).write_text(content)
    finished = here("--text=cat", f"--merge={name}", "--output=out.json")
    assert_one_line_error(finished, f"--merge={name}", message, code=2)
    assert not Path("out.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"=cmd|calc!A0": 3}', "'=cmd|calc!A0' is not a word (unicode)"),
        ('{"a\\": 1, \\"b": 3}', "is not a word"),
        ('{"CAT": 1, "cat": 1}', "'CAT' is not a word"),
        ('{"CAT": 1}', "'CAT' is not a word"),
        ('{"cat": 1, "cat": 5}', "'cat' is there twice"),
        ('{"cat act": 1}', "is not a word"),
        ('{"": 1}', "is not a word"),
        ('{"\\ud800": 1}', "is not a word"),
        ('{"e\\u0301": 1}', "is not a word"),
        ('{"cat": 1.0}', "1.0 is not a count"),
        ('{"cat": 0}', "0 is not a count"),
        ('{"cat": 2305843009213693952}', "2305843009213693952 is not a count"),
        ('{"cat": 2305843009213693951, "dog": 1}', "add up to 2**61 or more"),
        ('{"cat": ' + "1" * 5000 + "}", "cannot be read as a result"),
        ('{"cat": {"act": 1}}', "counted by group"),
        ("[" * 100_000, "cannot be read as a result"),
        (json.dumps({"x" * 70_000: 1}), "is not a word"),
    ],
    ids=lambda value: value[:20],
)
def test_in_corpus_mode_only_words_are_merged(
    content: str, message: str, folder: Path, here: Here
) -> None:
    Path("r.json").write_text(content)
    finished = here("--text=dog", "--dictionary=none", "--merge=r.json", "--output=o.csv")
    assert_one_line_error(finished, "--merge=r.json: ", message, code=2)
    assert len(finished.err) < 300
    assert not Path("o.csv").exists()


def test_a_class_without_all_its_members_names_one_that_is_missing(
    folder: Path, here: Here
) -> None:
    ok(here("--text=cat cat dog", "--output=whole.json"))
    ok(here("--text=cat cat dog", "--output=cut.json", "--top=2"))
    ok(here("--text=dog", "--merge=whole.json"))
    finished = here("--text=dog", "--merge=cut.json")
    assert_one_line_error(finished, "'act'", "its anagrams are missing: 'tac'", code=2)


@pytest.mark.parametrize("dictionary", ["gcide", pytest.param("none", marks=pytest.mark.slow)])
def test_filters_apply_to_the_sum_of_both_results(
    dictionary: str, folder: Path, here: Here
) -> None:
    how = f"--dictionary={dictionary}"
    ok(here("--text=cat dog software", how, "--output=r.json"))
    for cut in ("--min_word_length=4", "--min_count=2", "--top=2", "--min_class_size=2"):
        added = ok(here("--text=act listen", how, "--merge=r.json", cut))
        assert added.out == ok(here("--text=cat dog software act listen", how, cut)).out
        finished = here("--text=act", how, "--merge=r.json", "--output=./r.json", cut)
        assert_one_line_error(finished, cut, "another --output", code=2)


@pytest.mark.parametrize(
    ("text", "cut", "doubt"),
    [
        ("cat act dog dog", "--min_count=2", "no word is counted less than 2 times"),
        ("cat act dog", "--min_class_size=2", "no class has fewer than 2 words"),
        ("cat act dog", "--min_count=1", ""),
    ],
)
def test_a_result_without_what_most_have_is_doubted(
    text: str, cut: str, doubt: str, here: Here, tmp_path: Path
) -> None:
    none = "--dictionary=none"
    ok(here(f"--text={text}", none, f"--output={tmp_path}/cut.json", cut))
    finished = ok(here("--text=dog", none, f"--merge={tmp_path}/cut.json"))
    first, *others = finished.err.splitlines()
    assert doubt in first
    assert len(others) == bool(doubt)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", "\ufeffword,count,signature\r\nact,1,act\r\ncat,1,act\r\ntac,1,act\r\n"),
        ("r.csv", 'count,"word",more\n1,act,x\n\n1,"cat",\n1,tac,"a,b"\n'),
        (
            "r.jsonl",
            '\ufeff{"word":"act","count":1}\r\n\r\n{"count":1,"word":"cat"}\r\n'
            '{"word":"tac","count":1,"more":[]}',
        ),
        ("r.json", '\ufeff{"act": 1,\r\n "cat": 1, "tac": 1}\r\n\r\n'),
        ("r", '{"act": 1, "cat": 1, "tac": 1}'),
    ],
)
def test_results_that_other_programs_have_saved_can_be_merged(
    name: str, content: str, folder: Path, here: Here
) -> None:
    Path(name).write_bytes(content.encode())
    assert json.loads(ok(here("--text=cat", f"--merge={name}")).out) == dict.fromkeys(
        ("act", "cat", "tac"), 2
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "word,signature\ncat,act\n", "it has no column 'count'"),
        ("r.csv", "", "it has no column 'word'"),
        ("r.csv", "word;count\ncat;1\n", "it has no column 'word'"),
        ("r.csv", "word,count,count\ncat,1,2\n", "it has more than one column 'count'"),
        ("r.csv", "word,count\ncat\n", "line 2: has 1 fields, and the header 2"),
        ("r.csv", "word,count\ncat,1,2\n", "line 2: has 3 fields, and the header 2"),
        ("r.csv", "word,count\ncat,1_0\n", "line 2: '1_0' is not a count"),
        ("r.csv", "word,count\ncat,1.0\n", "line 2: '1.0' is not a count"),
        ("r.csv", 'word,count\n"cat,1\n', "cannot be read as a result"),
        ("r.jsonl", '{"word": "cat"}\n', "line 1: is not an object with word and count"),
        ("r.jsonl", '["word", "count"]\n', "line 1: is not an object with word and count"),
        ("r.jsonl", '{"word": "cat", "count": 1, "count": 2}\n', "'count' is there twice"),
        ("r.jsonl", '{"word": 1, "count": 1}\n', "1 is not a word"),
        ("r.json", '[["cat", 1]]', "it is not an object of words"),
    ],
)
def test_what_is_wrong_with_a_result_is_said(
    name: str, content: str, message: str, folder: Path, here: Here
) -> None:
    Path(name).write_text(content)
    assert_one_line_error(
        here("--text=cat", f"--merge={name}"), f"--merge={name}: ", message, code=2
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"word": ["cat"]}, "it has no column 'count'"),
        ({"word": ["cat"], "count": [1.0]}, "1.0 is not a count"),
        ({"word": ["cat"], "count": [None]}, "None is not a count"),
        ({"word": [b"cat"], "count": [1]}, "b'cat' is not a word"),
        ({"word": [{"word": "cat"}], "count": [1]}, "is not a word"),
        ({"word": ["cat", "cat"], "count": [1, 1]}, "'cat' is there twice"),
    ],
)
def test_what_is_wrong_with_a_parquet_file_is_said(
    columns: dict[str, list[Any]], message: str, folder: Path, here: Here
) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), "r.parquet")
    assert_one_line_error(here("--text=cat", "--merge=r.parquet"), message, code=2)


def test_a_parquet_file_of_another_program_can_be_merged(folder: Path, here: Here) -> None:
    table = {
        "more": [1, 2],
        "count": pyarrow.array([3, 3], pyarrow.uint16()),
        "word": ["dog", "god"],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), "r.parquet")
    assert json.loads(ok(here("--text=dog", "--merge=r.parquet")).out) == {"dog": 4, "god": 4}


def test_shards_that_are_not_one_result_are_refused(folder: Path, here: Here) -> None:
    ok(here("--text=cat dog stream", "--output=r.json", "--num_shards=3"))
    shutil.copy("r.json-00001-of-00003", "r.json-00001-of-00002")
    assert_one_line_error(here("--text=cat", "--merge=r.json"), "not those of one", code=2)
    Path("r.json-00001-of-00002").unlink()
    ok(here("--text=cat", "--merge=r.json"))
    Path("r.json-00002-of-00003").unlink()
    assert_one_line_error(here("--text=cat", "--merge=r.json"), "not those of one", code=2)
    Path("r.json").write_text("{}")
    assert_one_line_error(here("--text=cat", "--merge=r.json"), "which is the result", code=2)


def test_a_result_of_another_dictionary_is_refused(folder: Path, here: Here) -> None:
    ok(here("--text=cat dog", "--output=r.json"))
    finished = here("--text=cat", "--merge=r.json", "--dictionary=web2")
    assert_one_line_error(finished, "'tac' is not a word of the dictionary web2", code=2)


@pytest.mark.parametrize("cut", ["--top=2", "--min_count=2"])
def test_replay_refuses_to_add_to_a_result_from_which_words_were_removed(
    cut: str, folder: Path, here: Here
) -> None:
    to_dead_letters = ("--on_error=dead_letter", "--dead_letters=dead.jsonl", "--max_attempts=1")
    chaos = "--chaos=filter=0.5,seed=1,latency=0"
    ok(here("--input=texts", *to_dead_letters, chaos, cut, "--output=out.json"))
    assert letters()
    finished = here("replay", "dead.jsonl", "--merge=out.json")
    assert_one_line_error(finished, "--merge", cut, code=2)
    finished = here("replay", "dead.jsonl", "--merge", "out.json")
    assert_one_line_error(finished, "--merge", cut, code=2)
    ok(here("replay", "dead.jsonl"))


def test_dead_letters_of_different_settings_are_refused(folder: Path, here: Here) -> None:
    to_dead_letters = ("--on_error=dead_letter", "--max_attempts=1", "--chaos=filter=1,latency=0")
    for name, more in (("a", ()), ("b", ("--min_word_length=2",))):
        ok(here("--text=cat", *to_dead_letters, f"--dead_letters={name}.jsonl", *more))
    Path("both.jsonl").write_text(Path("a.jsonl").read_text() + Path("b.jsonl").read_text())
    assert_one_line_error(here("replay", "both.jsonl"), "different settings", code=2)
    Path("twice.jsonl").write_text(2 * Path("a.jsonl").read_text())
    assert json.loads(ok(here("replay", "twice.jsonl")).out)["cat"] == 2


def test_the_settings_of_the_run_are_those_of_its_replay(folder: Path, here: Here) -> None:
    how = (
        *("--dictionary=none", "--normalization=ascii", "--punctuation=split"),
        "--min_word_length=3",
    )
    text = "--text=Café ab Cat,dog"
    whole = ok(here(text, *how))
    to_dead_letters = ("--on_error=dead_letter", "--max_attempts=1", "--chaos=filter=1,latency=0")
    ok(here(text, *how, *to_dead_letters, "--dead_letters=dead.jsonl"))
    assert ok(here("replay", "dead.jsonl")).out == whole.out
    assert json.loads(whole.out) == {"caf": 1, "cat": 1, "dog": 1}
    longer = ok(here("replay", "dead.jsonl", "--min_word_length=4"))
    assert json.loads(longer.out) == {}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["replay", "DEAD_LETTERS"]),
        (["--merge=r.json"], ["replay", "DEAD_LETTERS"]),
        (["nosuch.jsonl"], ["nosuch.jsonl", "cannot be read"]),
        (["texts"], ["texts", "cannot be read"]),
        (["texts/000.txt"], ["texts/000.txt: line 1", "not a dead letter"]),
        (["dead.jsonl", "--text=cat"], ["--text", "--replay"]),
        (["dead.jsonl", "--input=texts"], ["--input", "--replay"]),
        (["dead.jsonl", "other.jsonl"], ["other.jsonl"]),
        (["dead.jsonl", "--merge=r.xml"], ["--merge=r.xml", "json"]),
        (["dead.jsonl", "--on_error=dead_letter"], ["--on_error", "--dead_letters"]),
        (
            ["dead.jsonl", "--on_error=dead_letter", "--dead_letters=./dead.jsonl"],
            ["--dead_letters", "--replay"],
        ),
        (["dead.jsonl", "--test_case=small"], ["--test_case"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_usage_of_replay_is_one_line(
    arguments: list[str], names: list[str], folder: Path, here: Here, dead_letter: bytes
) -> None:
    Path("dead.jsonl").write_bytes(dead_letter)
    assert_one_line_error(here("replay", *arguments), *names, code=2)


HOSTILE = {
    "report": "../w.html",
    "output": "/w.json",
    "runner": "PrismRunner",
    "prism_location": "/bin/true",
    "dead_letters": "w.jsonl",
    "merge": "r.json",
    "setup_file": "w.py",
    "dictionary": 3,
    "dictionary_encoding": ["latin-1"],
    "normalization": "nfc",
    "encoding": 8,
    "encoding_errors": "--report=w.html",
    "min_count": True,
    "min_word_length": 0,
    "min_class_size": None,
    "top": "3",
    "max_attempts": 1,
    "": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_dead_letters_set_nothing_but_their_settings(
    name: str, folder: Path, here: Here, dead_letter: bytes
) -> None:
    letter = json.loads(dead_letter)
    letter["settings"][name] = HOSTILE[name]
    Path("hostile.jsonl").write_text(json.dumps(letter))
    before = sorted(folder.rglob("*"))
    finished = here("replay", "hostile.jsonl")
    assert_one_line_error(finished, "replay: hostile.jsonl: ", name, code=2)
    assert sorted(folder.rglob("*")) == before


def test_a_list_of_dictionaries_and_its_encoding_are_those_of_the_replay(
    folder: Path, here: Here
) -> None:
    Path("latin.txt").write_bytes("café\nface".encode("latin-1"))
    how = ("--dictionary=latin.txt", "--dictionary=gcide", "--dictionary_encoding=latin-1")
    text = "--text=Café cat"
    whole = ok(here(text, *how))
    assert json.loads(whole.out) == {"act": 1, "café": 1, "cat": 1, "tac": 1}
    to_dead_letters = ("--on_error=dead_letter", "--max_attempts=1", "--chaos=filter=1,latency=0")
    ok(here(text, *how, *to_dead_letters, "--dead_letters=dead.jsonl"))
    assert letters()[0]["settings"]["dictionary"] == [str(folder / "latin.txt"), "gcide"]
    assert ok(here("replay", "dead.jsonl")).out == whole.out
    only = ok(here("replay", "dead.jsonl", "--dictionary=none"))
    assert json.loads(only.out) == {"café": 1, "cat": 1}
    (letter,) = letters()
    letter["settings"] |= {"dictionary": "gcide", "dictionary_encoding": None}  # as it was once
    Path("old.jsonl").write_text(json.dumps(letter))
    assert json.loads(ok(here("replay", "old.jsonl")).out) == {"act": 1, "cat": 1, "tac": 1}


@pytest.mark.parametrize("change", ["--min_word_length=1", "--min_class_size=1"])
def test_a_replay_with_another_filter_adds_nothing_to_the_result(
    change: str, folder: Path, here: Here
) -> None:
    to_dead_letters = ("--on_error=dead_letter", "--max_attempts=1", "--chaos=filter=1,latency=0")
    cut = ("--min_word_length=4", "--min_class_size=2")
    ok(here("--text=cat", *to_dead_letters, *cut, "--dead_letters=dead.jsonl", "--output=r.json"))
    ok(here("replay", "dead.jsonl", "--merge=r.json"))
    finished = here("replay", "dead.jsonl", "--merge=r.json", change)
    assert_one_line_error(finished, "--merge", change.partition("=")[0], code=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "file", "source": "/dev/zero"}, "/dev/zero, which is not a regular file"),
        ({"kind": "file", "source": "pipe"}, "pipe, which is not a regular file"),
        ({"kind": "file", "source": "a\0b"}, "a"),
        ({"kind": "file", "source": "nosuch.txt"}, "nosuch.txt"),
        ({"kind": "file", "source": "texts/000.txt", "offset": 1 << 63}, "not a dead letter"),
        ({"kind": "file", "source": "texts/000.txt", "end": 10**400}, "not a dead letter"),
        (
            {"kind": "file", "source": "texts/000.txt", "partial_word": "\ud800"},
            "not a dead letter",
        ),
        ({"encoding": "hex"}, "not a dead letter"),
        ({"encoding": "nosuch"}, "not a dead letter"),
        ({"text": "\ud800"}, "not a dead letter"),
        ({"attempts": 10**400}, "not a dead letter"),
        ({"kind": "class", "signature": "x", "count": 1, "words": ["=1"]}, "do not have its"),
        ({"kind": "class", "signature": "1=", "count": 1, "words": ["=1"]}, "'=1' is not a word"),
        ({"kind": "class", "signature": "ACT", "count": 1, "words": ["CAT"]}, "'CAT' is not a"),
        ({"kind": "class", "signature": "act", "count": 1, "words": ["cat", 3]}, "not a dead"),
        (
            {"kind": "class", "signature": "act", "count": 1 << 61, "words": ["cat"]},
            "add up to 2**61 or more",
        ),
        ({"settings": {"dictionary": ["pipe"]}}, "give --dictionary"),
        ({"settings": {"dictionary": ["/dev/zero"]}}, "give --dictionary"),
    ],
)
def test_a_hostile_dead_letter_is_a_one_line_error(
    change: dict[str, Any], message: str, folder: Path, here: Here
) -> None:
    os.mkfifo("pipe")
    letter = {
        "stage": "filter",
        "cause": "x",
        "attempts": 1,
        "source": "s",
        "offset": 0,
        "kind": "block",
        "encoding": "utf-8",
        "invalid_bytes": 0,
        "text": "cat",
        "end": None,
        "starts_at_cut": True,
        "partial_word": None,
        "settings": {"dictionary": ["none"]},
    }
    Path("d.jsonl").write_text(json.dumps(letter | change))
    finished = here("replay", "d.jsonl", "--max_attempts=2")
    assert finished.code in (1, 2)
    assert_one_line_error(finished, message, code=finished.code)


def pattern_letter(pattern: Path, excluded: list[Path]) -> dict[str, Any]:
    """The dead letter of a folder that could not be listed."""
    return {
        "stage": "read",
        "cause": "PermissionError: no",
        "attempts": 1,
        "source": str(pattern),
        "offset": None,
        "kind": "pattern",
        "except": list(map(str, excluded)),
        "settings": {"dictionary": ["none"]},
    }


def test_a_file_is_counted_once_whatever_letters_and_patterns_it_is_in(
    folder: Path, here: Here
) -> None:
    texts = folder / "texts"
    for name, text in (("read", "cat"), ("own", "dog"), ("left", "act")):
        (texts / f"{name}.txt").write_text(text)
    own = {"kind": "file", "source": str(texts / "own.txt"), "offset": 0}
    own |= {"end": None, "starts_at_cut": False, "partial_word": None}
    found = [
        pattern_letter(texts / "[r-z]*", []),
        pattern_letter(texts / "[a-z]*", [texts / "read.txt"]),
        pattern_letter(texts / "[a-z]*", []) | own,
        pattern_letter(texts / "l*", []),
    ]
    Path("d.jsonl").write_text("".join(json.dumps(letter) + "\n" for letter in found))
    finished = ok(here("replay", "d.jsonl"))
    assert json.loads(finished.out) == {"act": 1, "dog": 1}


def test_dead_letters_of_a_pipe_are_refused_as_they_are_read_twice(
    folder: Path, here: Here
) -> None:
    os.mkfifo("pipe")
    assert_one_line_error(here("replay", "pipe"), "pipe: can be read only once", code=2)


def test_no_dead_letters_change_nothing(folder: Path, here: Here) -> None:
    ok(here("--input=texts", "--on_error=dead_letter", "--dead_letters=d.jsonl", "--output=r.json"))
    assert Path("d.jsonl").read_bytes() == b""
    assert ok(here("replay", "d.jsonl")).out == b"{}\n"
    finished = ok(here("replay", "d.jsonl", "--merge=r.json"))
    assert finished.out == Path("r.json").read_bytes()


@pytest.mark.parametrize(
    "how",
    [
        ["--dictionary=w.txt"],
        ["--dictionary=none"],
        pytest.param(
            ["--dictionary=web2", "--min_word_length=3", "--top=3"], marks=pytest.mark.slow
        ),
        pytest.param(
            ["--dictionary=w.txt", "--normalization=ascii", "--punctuation=split"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=" ".join,
)
def test_a_replay_after_a_run_that_went_well_copies_its_result(
    how: list[str], folder: Path, here: Here
) -> None:
    """Its dead letters are an empty file, which does not say how the run has counted."""
    Path("w.txt").write_text("tac\nact\nqwxz\ncafé\nıstanbul\n")
    text = "--text=cat qwxz QWXZ café don't ıstanbul İstanbul dog"
    to_dead_letters = ("--on_error=dead_letter", "--dead_letters=d.jsonl")
    ok(here(text, *how, *to_dead_letters, "--output=r.json"))
    before = Path("r.json").read_bytes()
    assert len(json.loads(before)) > 1
    ok(here("replay", "d.jsonl", "--merge=r.json", "--output=new.json"))
    ok(here("replay", "d.jsonl", "--merge=r.json", "--output=r.json"))
    assert Path("new.json").read_bytes() == Path("r.json").read_bytes() == before
    finished = here("replay", "d.jsonl", "--merge=r.json", "--dictionary=gcide+nosuch")
    assert_one_line_error(finished, "--dictionary", "nosuch", code=2)


@pytest.mark.parametrize("joined", [False, True])
def test_a_replay_in_another_folder_reads_the_same_dictionary(
    joined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Here
) -> None:
    folder = tmp_path / "a+b"
    (folder / "sub").mkdir(parents=True)
    for name, word, other in (("w", "cat", "tac"), ("x", "god", "dog"), ("p+q", "bad", "dab")):
        (folder / f"{name}.txt").write_text(word)
        (folder / "sub" / f"{name}.txt").write_text(other)
    (folder / "t.txt").write_bytes(b"cat\nbad \xff tac dog\n")
    monkeypatch.chdir(folder)
    names = ["w.txt+./x.txt+web2"] if joined else ["w.txt", "./x.txt", "web2"]
    dictionaries = [f"--dictionary={name}" for name in (*names, "p+q.txt")]
    how = ("--input=t.txt", "--encoding_errors=quarantine", "--dead_letters=d.jsonl")
    ok(here(*how, *dictionaries, "--output=r.json"))
    recorded = [*(f"{folder}/{name}" for name in ("w.txt", "x.txt")), "web2", f"{folder}/p+q.txt"]
    assert letters("d.jsonl")[0]["settings"]["dictionary"] == recorded
    whole = ok(here("--input=t.txt", *dictionaries)).out
    monkeypatch.chdir("sub")
    replay = ("replay", "../d.jsonl", "--encoding_errors=replace", "--merge=../r.json")
    assert ok(here(*replay)).out == whole


def test_a_run_without_dead_letters_replaces_those_of_an_earlier_one(
    folder: Path, here: Here
) -> None:
    to_dead_letters = ("--on_error=dead_letter", "--dead_letters=d.jsonl", "--output=r.json")
    ok(here("--text=cat", *to_dead_letters, "--chaos=filter=1,latency=0", "--max_attempts=1"))
    assert letters("d.jsonl")
    ok(here("--text=cat", *to_dead_letters))
    assert not letters("d.jsonl")


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_a_word_too_long_for_any_result_is_not_in_that_of_a_replay(
    engine: str, folder: Path, here: Here
) -> None:
    Path("texts/001.txt").write_text("cat " + "x" * 70_000)
    how = ("--input=texts/001.txt", "--dictionary=none", f"--engine={engine}")
    whole = ok(here(*how))
    to_dead_letters = ("--on_error=dead_letter", "--dead_letters=d.jsonl", "--max_attempts=1")
    ok(here(*how, *to_dead_letters, "--chaos=anagrams=1,latency=0"))
    assert ok(here("replay", "d.jsonl", f"--engine={engine}")).out == whole.out


def test_dead_letters_may_be_compressed(folder: Path, here: Here) -> None:
    to_dead_letters = ("--on_error=dead_letter", "--dead_letters=d.jsonl.gz", "--max_attempts=1")
    ok(here("--text=cat", *to_dead_letters, "--chaos=filter=1,latency=0"))
    assert gzip.decompress(Path("d.jsonl.gz").read_bytes()).count(b"\n") == 1
    assert json.loads(ok(here("replay", "d.jsonl.gz")).out)["cat"] == 1


def test_dead_letters_of_standard_input_say_so(folder: Path) -> None:
    how = ("--input=-", "--encoding_errors=quarantine", "--dead_letters=d.jsonl")
    ok(run(*how, "--dictionary=none", cwd=folder, stdin=b"cat\na \xff\n"))
    assert [letter["source"] for letter in letters("d.jsonl")] == ["standard input"]


def test_lines_of_a_pipe_can_become_dead_letters_but_not_the_pipe_itself(
    folder: Path, here: Here
) -> None:
    os.mkfifo("pipe")

    def write(data: bytes) -> threading.Thread:
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,), daemon=True)
        writer.start()
        return writer

    write(b"cat\nbad \xff dog\n")
    to_dead_letters = ("--encoding_errors=quarantine", "--dead_letters=d.jsonl")
    ok(here("--input=pipe", *to_dead_letters))
    assert [letter["source"] for letter in letters("d.jsonl")] == ["pipe"]
    finished = ok(here("replay", "d.jsonl", "--encoding_errors=replace"))
    assert json.loads(finished.out) == {"bad": 1, "dab": 1, "dog": 1, "god": 1}
    write(b"cat\n" + b"x" * LONG_RUN + b"\xff\n")
    assert_one_line_error(here("--input=pipe", *to_dead_letters), "cannot be read again", code=1)
    write(b"cat")
    every_read_fails = (
        "--on_error=dead_letter",
        "--dead_letters=d.jsonl",
        "--chaos=read=1,latency=0",
    )
    finished = here("--input=pipe", *every_read_fails, "--max_attempts=2")
    assert_one_line_error(finished, "InjectedError", "cannot be read again", code=1)
