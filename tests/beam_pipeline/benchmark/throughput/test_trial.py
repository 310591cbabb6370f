"""A command's time and memory are those of all it starts; texts are made as wanted."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from beam_pipeline.benchmark.compare.oracle import counts, tally
from beam_pipeline.benchmark.throughput import command as throughput
from beam_pipeline.benchmark.throughput import corpora
from beam_pipeline.benchmark.throughput.peers import LIBRARIES
from beam_pipeline.benchmark.throughput.trial import Trial, measure
from tests.support import reference

TEXT = "".join(f"Listen to the {number} silent cats, naïve enough.\n" for number in range(2000))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text(TEXT, "utf-8")
    return path


def python(code: str) -> Sequence[str]:
    return [sys.executable, "-c", code]


def test_memory_and_time_of_children_count() -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', "
        '\'import time; x = bytearray(b"x") * 200_000_000; time.sleep(0.5); '
        "until = time.process_time() + 0.3\\nwhile time.process_time() < until: pass'])"
    )
    figures = measure(Trial("section", "name", python(code), 1), 60)
    assert figures.error == ""
    assert figures.peak_bytes > 200_000_000
    assert 200_000_000 < figures.peak_process_bytes < figures.peak_bytes
    assert figures.cpu_seconds >= 0.3
    assert figures.seconds >= 0.8


def test_a_failure_is_told_in_a_line() -> None:
    figures = measure(Trial("section", "name", python("raise SystemExit('no luck')"), 1), 60)
    assert figures.error == "exit code 1: no luck"


def test_a_command_that_takes_too_long_is_stopped_with_its_children() -> None:
    before = set(psutil.Process().children(recursive=True))
    code = "import subprocess; subprocess.run(['sleep', '100'])"
    figures = measure(Trial("section", "name", python(code), 1), 1)
    assert figures.error == "stopped after 1 s"
    assert set(psutil.Process().children(recursive=True)) <= before


def test_what_is_missing_is_named() -> None:
    assert measure(Trial("section", "name", [], 1, "java"), 1).error == "missing: java"


def test_a_part_tells_its_own_time() -> None:
    trial = Trial("section", "name", python("print('{\"seconds\": 7}')"), 1, is_self_timed=True)
    assert measure(trial, 60).seconds == 7


@pytest.mark.parametrize("factor", [0.25, 1, 2.5])
def test_repeated_texts_have_the_size_wanted(source: Path, tmp_path: Path, factor: float) -> None:
    target = tmp_path / "target.txt"
    size = int(factor * source.stat().st_size)
    written = corpora.repeat(source, target, size)
    assert written == target.stat().st_size
    assert size <= written < size + 100
    assert set(target.read_text("utf-8").splitlines()) <= {*TEXT.splitlines(), ""}


def test_scattered_text_is_the_same_text(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    assert corpora.scatter(source, folder, 50) == source.stat().st_size
    files = sorted(folder.rglob("*.txt"))
    assert 40 <= len(files) <= 50
    assert "".join(file.read_text("utf-8") for file in files) == TEXT


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 1.0])
def test_accents_are_in_the_share_of_words_wanted(
    source: Path, tmp_path: Path, share: float
) -> None:
    target = tmp_path / "target.txt"
    written = corpora.accent(source, target, 50_000, share)
    assert written == target.stat().st_size
    words = [word for word in target.read_text("utf-8").split() if word[0].isalpha()]
    accented = sum(not word.isascii() for word in words)
    assert accented == pytest.approx(share * len(words), abs=2)


@pytest.mark.parametrize("name", ["polars", "polars-unicode", "duckdb"])
def test_peers_count_the_words_they_are_said_to_count(
    name: str, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "words.csv"
    LIBRARIES[name](str(source), str(result))
    counted = dict(line.split(",") for line in result.read_text("utf-8").splitlines()[1:])
    assert counted["listen"] == counted["silent"] == "2000"
    assert counted["1999"] == "1"


def test_the_peer_that_is_said_to_count_our_words_does(tmp_path: Path) -> None:
    text = "Don't—stop ÉTÉ été's (x) - -- it's 1999's\n\n漢字 Ünï-cödé don't\n"
    source, result = tmp_path / "text.txt", tmp_path / "words.csv"
    source.write_text(text, "utf-8")
    LIBRARIES["polars-unicode"](str(source), str(result))
    counted = dict(line.split(",") for line in result.read_text("utf-8").splitlines()[1:])
    assert {word: int(n) for word, n in counted.items()} == Counter(reference.words(text))


def test_the_whole_benchmark_of_a_small_text(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = throughput.main(
        [
            *("--input", str(source), "--iterations=1", "--only=parts,files,peers"),
            *("--skip=pyspark,elementwise", "--files=20", f"--json={tmp_path / 'a.json'}"),
        ]
    )
    printed = capsys.readouterr().out
    assert code == 0, printed
    rows = [
        *("whole command", "kernel alone", "source alone", "one file", "20 files"),
        *("this project, vectorized", "wc -w", "tr | sort | uniq -c", "Polars", "DuckDB"),
    ]
    for row in rows:
        assert row in printed
    assert "PySpark" not in printed
    assert (tmp_path / "a.json").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "--input"),
        (["--input=missing.txt"], "missing.txt"),
        (["--input=README.md", "--only=everything"], "everything"),
        (["--input=README.md", "--skip=us"], "us"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert throughput.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: ") and name in err


def test_the_text_of_these_tests_has_words_that_count() -> None:
    assert counts(TEXT)["silent"] == 4000
    assert tally(TEXT).words == 16000
