"""Whole runs of the command line give the results that they promise."""

import gzip
import json
import logging
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from tests.support import reference
from tests.support.cli import GIVE_UP, Finished, Here, environment, run
from tests.support.files import COMPRESSORS

CAT = {"act": 1, "cat": 1, "tac": 1}
TEXT = (
    "The cat's act was a well-known one: STREAM after stream of masters, tac!\n"
    "\u201cListen\u201d, said the silent café – it was the least of tales. Software?\n"
) * 20


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


def result(finished: Finished) -> dict[str, int]:
    """The JSON object of a run that succeeded, which is all of its standard output."""
    assert finished.code == 0, finished.err
    assert "error" not in finished.err
    return json.loads(finished.out)


def test_the_result_and_nothing_else_goes_to_standard_output(tmp_path: Path) -> None:
    finished = run("--text", "cat", cwd=tmp_path)
    assert finished.code == 0
    assert finished.out == b'{\n  "act": 1,\n  "cat": 1,\n  "tac": 1\n}\n'
    assert "FnApiRunner" in finished.err
    assert "WARNING" not in finished.err
    assert os.listdir(tmp_path) == []


def test_beams_default_runner_is_replaced_by_the_one_that_needs_no_download(tmp_path: Path) -> None:
    finished = run("--text=cat", "--runner=DirectRunner", "--output=-", cwd=tmp_path)
    assert result(finished) == CAT
    assert "FnApiRunner" in finished.err


def test_help_names_every_option(tmp_path: Path) -> None:
    finished = run("--help", cwd=tmp_path)
    assert finished.code == 0
    for name in (
        *("input", "text", "output", "output_format", "num_shards", "dictionary"),
        *(
            "normalization",
            "punctuation",
            "encoding",
            "encoding_errors",
            "min_word_length",
            "min_class_size",
        ),
        *("min_count", "top", "engine", "test_case"),
    ):
        assert f"--{name} " in finished.out.decode()
    assert finished.err == ""


def test_standard_input_is_read_as_bytes(tmp_path: Path, gcide: frozenset[str]) -> None:
    data = random.Random(6).randbytes(20_000) + TEXT.encode()
    finished = run("--input", "-", cwd=tmp_path, stdin=data)
    assert result(finished) == reference.counts(data.decode("utf-8", "ignore"), gcide)


def test_a_named_pipe_is_read(tmp_path: Path, gcide: frozenset[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TEXT, "utf-8"), daemon=True)
    writer.start()
    finished = run("--input", "pipe", cwd=tmp_path)
    writer.join(60)
    assert result(finished) == reference.counts(TEXT, gcide)


@pytest.mark.slow
def test_workers_in_processes_of_their_own_write_the_same_bytes(
    tmp_path: Path, gcide: frozenset[str]
) -> None:
    for index in range(20):
        (tmp_path / f"{index}.txt").write_text(TEXT, encoding="utf-8")
    for engine in ("vectorized", "elementwise"):
        finished = run(
            *("--input", "*.txt", "--output", f"{engine}.json", "--engine", engine),
            *("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
            cwd=tmp_path,
        )
        assert finished.code == 0, finished.err
        assert "multi_processing, 2 workers" in finished.err
    single = run("--input=*.txt", "--output=single.json", cwd=tmp_path)
    assert single.code == 0
    expected = (tmp_path / "single.json").read_bytes()
    assert json.loads(expected) == reference.counts(TEXT * 20, gcide)
    assert (tmp_path / "vectorized.json").read_bytes() == expected
    assert (tmp_path / "elementwise.json").read_bytes() == expected


def test_a_run_leaves_no_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "tmp").mkdir()
    finished = run(
        "--input=-",
        "--output=r.csv",
        cwd=tmp_path / "work",
        stdin=b"cat",
        TMPDIR=str(tmp_path / "tmp"),
    )
    assert finished.code == 0
    assert os.listdir(tmp_path / "work") == ["r.csv"]
    assert os.listdir(tmp_path / "tmp") == []


def test_built_in_cases_are_run_and_compared(tmp_path: Path) -> None:
    finished = run("--test_case", "all", cwd=tmp_path)
    assert finished.code == 0, finished.err
    results = json.loads(finished.out)
    assert list(results) == ["small", "medium", "large"]
    assert results["small"] == CAT
    assert finished.err.count("as expected") == 3


def test_a_case_that_differs_fails_and_names_the_difference(here: Here) -> None:
    finished = here("--test_case=small", "--dictionary=none")
    assert finished.code == 1
    assert json.loads(finished.out) == {"small": {"cat": 1}}
    assert "missing ['act', 'tac']" in finished.err


def test_either_engine_and_normalization_gives_the_cases(here: Here) -> None:
    for engine in ("vectorized", "elementwise"):
        for normalization in ("unicode", "ascii"):
            finished = here(
                "--test_case=medium", f"--engine={engine}", f"--normalization={normalization}"
            )
            assert finished.code == 0, finished.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with texts in it and below it."""
    for name, text in {
        "one.txt": "cat dog",
        "two.txt": "act",
        "three.md": "software",
        "sub/four.txt": "tac listen",
        "sub/deep/five.txt": "god",
    }.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path / "texts")
    return tmp_path / "texts"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (["*.txt"], "cat dog act"),
        (["one.txt", "three.md"], "cat dog software"),
        (["one.txt", "*.txt", "./one.txt"], "cat dog act"),
        (["**/*.txt"], "cat dog act tac listen god"),
        (["sub"], "tac listen god"),
        (["sub/deep/", "*.md"], "god software"),
    ],
)
def test_repeated_inputs_globs_and_folders_are_read(
    inputs: list[str], text: str, here: Here, gcide: frozenset[str]
) -> None:
    arguments = [f"--input={pattern}" for pattern in inputs]
    assert result(here(*arguments)) == reference.counts(text, gcide)


def test_compressed_files_of_all_kinds_are_read_together(
    tmp_path: Path, here: Here, gcide: frozenset[str]
) -> None:
    for extension, compress in COMPRESSORS.items():
        (tmp_path / f"text.txt.{extension}").write_bytes(compress(TEXT.encode()))
    assert result(here("--input", tmp_path)) == reference.counts(TEXT * 5, gcide)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1", "utf-8-sig"])
def test_other_encodings_are_read(
    encoding: str, tmp_path: Path, here: Here, gcide: frozenset[str]
) -> None:
    data = TEXT.encode(encoding, "ignore")
    (tmp_path / "text.txt").write_bytes(data)
    finished = here("--input", tmp_path / "text.txt", "--encoding", encoding)
    assert result(finished) == reference.counts(data.decode(encoding), gcide)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"... -- 1234\n"])
def test_a_text_without_words_gives_an_empty_object(
    content: bytes, tmp_path: Path, here: Here
) -> None:
    (tmp_path / "empty.txt").write_bytes(content)
    finished = here("--input", tmp_path / "empty.txt")
    assert (finished.code, finished.out) == (0, b"{}\n")
    assert here("--text", "").out == b"{}\n"


def test_binary_files_are_read_without_what_is_not_text(
    tmp_path: Path, here: Here, gcide: frozenset[str]
) -> None:
    data = random.Random(7).randbytes(100_000)
    (tmp_path / "noise.bin").write_bytes(data)
    text = data.decode("utf-8", "ignore")
    for normalization in ("unicode", "ascii"):
        finished = here(f"--input={tmp_path}/noise.bin", f"--normalization={normalization}")
        assert result(finished) == reference.counts(text, gcide, normalization)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("result.json", []),
        ("result.jsonl", []),
        ("result.csv", []),
        ("result.parquet", []),
        ("result", []),
        ("RESULT.CSV", []),
        ("result.txt", ["--output_format=csv"]),
        ("result.json", ["--output_format", "jsonl"]),
        ("result.csv.gz", []),
        ("new/folder/result.jsonl", []),
    ],
)
def test_the_format_is_what_the_extension_or_the_option_says(
    name: str, options: list[str], tmp_path: Path, here: Here
) -> None:
    output = tmp_path / "out" / name
    finished = here("--text=cat", f"--output={output}", *options)
    assert (finished.code, finished.out) == (0, b""), finished.err
    assert os.listdir(output.parent) == [output.name]
    data = output.read_bytes()
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    records = [{"word": word, "count": 1, "signature": "act"} for word in CAT]
    kind = options[-1].removeprefix("--output_format=") if options else name.lower()
    if "parquet" in kind:
        assert pyarrow.parquet.read_table(output).to_pylist() == records
    elif "jsonl" in kind:
        assert [json.loads(line) for line in data.splitlines()] == records
    elif "csv" in kind:
        assert data == b"word,count,signature\nact,1,act\ncat,1,act\ntac,1,act\n"
    else:
        assert json.loads(data) == CAT


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_any_format_can_go_to_standard_output(kind: str, tmp_path: Path, here: Here) -> None:
    to_file = here("--text=cat", f"--output={tmp_path}/result", f"--output_format={kind}")
    to_stdout = here("--text=cat", "--output=-", f"--output_format={kind}")
    assert to_file.code == to_stdout.code == 0
    assert to_stdout.out == (tmp_path / "result").read_bytes() != b""


@pytest.mark.parametrize("path", ["r.json", "./r.json", "new//r.json", "new/../new/r.json"])
def test_shards_replace_those_of_an_earlier_result_however_the_path_is_spelled(
    path: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    for number in (3, 2):
        finished = here("--text=cat", f"--output={path}", f"--num_shards={number}")
        assert finished.code == 0, finished.err
        shards = sorted(found.name for found in tmp_path.rglob("*") if found.is_file())
        assert shards == [f"r.json-{shard:05d}-of-{number:05d}" for shard in range(number)]


def test_shards_together_hold_the_whole_result(
    tmp_path: Path, here: Here, gcide: frozenset[str]
) -> None:
    finished = here(f"--text={TEXT}", f"--output={tmp_path}/r.json", "--num_shards=3")
    assert finished.code == 0
    names = sorted(os.listdir(tmp_path))
    assert names == [f"r.json-{shard:05d}-of-00003" for shard in range(3)]
    shards = [json.loads((tmp_path / name).read_text("utf-8")) for name in names]
    together = [pair for shard in shards for pair in shard.items()]
    assert sorted(together) == sorted(reference.counts(TEXT, gcide).items())


def test_dictionaries_can_be_chosen(tmp_path: Path, here: Here, web2: frozenset[str]) -> None:
    (tmp_path / "own.txt").write_text("tca\nSilent\n")
    text = f"--text={TEXT}"
    assert result(here(text, "--dictionary=web2")) == reference.counts(TEXT, web2)
    own = {"tca", "silent"}
    finished = here(text, f"--dictionary={tmp_path}/own.txt")
    assert result(finished) == reference.counts(TEXT, own) == {"silent": 40, "tca": 40}
    assert result(here(text, "--dictionary=none")) == reference.counts(TEXT, None)
    union = here("--text=tca cat", f"--dictionary=gcide+{tmp_path}/own.txt")
    assert result(union) == {"act": 2, "cat": 2, "tac": 2, "tca": 2}


@pytest.mark.parametrize("normalization", ["unicode", "ascii"])
def test_both_normalizations_count_as_the_reference(normalization: str, here: Here) -> None:
    text = TEXT + " e\u0301cole ÉCOLE naïve ﬁne x–y straße\u00a0end"
    finished = here(f"--text={text}", "--dictionary=none", f"--normalization={normalization}")
    assert result(finished) == reference.counts(text, None, normalization)


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_punctuation_is_deleted_or_separates_words(engine: str, here: Here) -> None:
    text = "I ❤\ufe0f cats, love❤\ufe0f Sun\u2600\ufe0f listen,silent don't <p>dog</p>"
    how = (f"--text={text}", "--dictionary=none", f"--engine={engine}")
    both = ["i", "cats", "love", "sun", "dont"]
    for options, more in (
        ((), ["listensilent", "pdogp"]),
        (("--punctuation", "split"), ["listen", "silent", "p", "dog"]),
        (("--punctuation=split", "--normalization=ascii"), ["listen", "silent", "p", "dog"]),
    ):
        assert set(result(here(*how, *options))) == {*both, *more}


@pytest.mark.parametrize(
    "filters",
    [
        {"min_word_length": 4},
        {"min_class_size": 3},
        {"min_count": 40},
        {"top": 5},
        {"min_word_length": 3, "min_class_size": 2, "min_count": 21, "top": 4},
    ],
    ids=lambda filters: "+".join(filters),
)
def test_filters_leave_out_what_they_should(
    filters: dict[str, Any], here: Here, gcide: frozenset[str]
) -> None:
    expected = reference.counts(TEXT, gcide, **filters)
    options = [f"--{name}={value}" for name, value in filters.items()]
    assert result(here(f"--text={TEXT}", *options)) == expected
    assert 0 < len(expected) < len(reference.counts(TEXT, gcide))
    hyphenated = [
        part for name, value in filters.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    assert result(here(f"--text={TEXT}", *hyphenated)) == expected


def test_a_run_leaves_the_logging_of_its_process_as_it_was(here: Here) -> None:
    log = logging.getLogger()
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(message)s")
    handler.setFormatter(formatter)
    log.addHandler(handler)
    try:
        before = log.level, list(log.handlers)
        for more in (["--verbose"], ["--log_format=json"], ["--top=0"], ["--dictionary=nosuch"]):
            here("--text=cat", *more)
            assert (log.level, log.handlers) == before
            assert handler.formatter is formatter
    finally:
        log.removeHandler(handler)


def test_a_text_may_look_like_an_option_or_have_undecodable_bytes(here: Here) -> None:
    assert result(here("--text=--cat")) == CAT
    assert result(here("--text", os.fsdecode(b"c\xffat"))) == CAT
    assert result(here("--text=cat=act")) == {}


def test_the_file_system_encoding_does_not_matter(tmp_path: Path) -> None:
    finished = run(
        "--text=été",
        "--dictionary=none",
        cwd=tmp_path,
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert finished.code == 0, finished.err
    assert finished.out == '{\n  "été": 1\n}\n'.encode()


def test_importing_the_package_does_not_import_beam(tmp_path: Path) -> None:
    script = "import sys, beam_pipeline; print('apache_beam' in sys.modules)"
    printed = subprocess.check_output(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), text=True, timeout=GIVE_UP
    )
    assert printed == "False\n"
