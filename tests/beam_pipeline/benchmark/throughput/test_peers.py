"""Other tools count the words that they are said to count."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from beam_pipeline.benchmark.compare.oracle import counts, tally
from beam_pipeline.benchmark.throughput.peers import LIBRARIES, PEERS, peer_trials
from tests.support import reference


@pytest.mark.parametrize("name", ["polars", "polars-unicode", "duckdb"])
def test_peers_count_the_words_they_are_said_to_count(
    name: str, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "words.csv"
    LIBRARIES[name](str(source), str(result))
    counted = dict(line.split(",") for line in result.read_text("utf-8").splitlines()[1:])
    assert counted["listen"] == counted["silent"] == "2000"
    assert counted["1999"] == "1"


def test_the_spark_peer_counts_the_words_it_is_said_to_count(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    result = tmp_path / "words"
    LIBRARIES["pyspark"](str(source), str(result))
    parts = [path.read_text("utf-8") for path in result.glob("*.csv")]
    counted = dict(line.split(",") for part in parts for line in part.splitlines())
    assert counted["listen"] == counted["silent"] == "2000"
    assert counted["1999"] == "1"


def test_the_peer_that_is_said_to_count_our_words_does(tmp_path: Path) -> None:
    text = "Don't—stop ÉTÉ été's (x) - -- it's 1999's\n\n漢字 Ünï-cödé don't\n"
    source, result = tmp_path / "text.txt", tmp_path / "words.csv"
    source.write_text(text, "utf-8")
    LIBRARIES["polars-unicode"](str(source), str(result))
    counted = dict(line.split(",") for line in result.read_text("utf-8").splitlines()[1:])
    assert {word: int(n) for word, n in counted.items()} == Counter(reference.words(text))


def test_each_peer_has_a_trial() -> None:
    assert [name for name, _ in peer_trials("peers", "a.txt", 1, "words")] == list(PEERS)


def test_the_text_of_these_tests_has_words_that_count(source: Path) -> None:
    assert counts(source.read_text("utf-8"))["silent"] == 4000
    assert tally(source.read_text("utf-8")).words == 16000
