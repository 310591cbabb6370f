"""Beam is told what a run reads and writes, under the names that its own connectors give."""

from collections.abc import Iterable
from pathlib import Path

import apache_beam as beam
from apache_beam.metrics.metric import Lineage

from beam_pipeline import CountAnagrams, ReadFiles, WriteResults
from beam_pipeline.io.previous_results import ReadPreviousCounts
from tests.support.lineage import lineage_of
from transforms.dictionary import DictionarySpec


def named(paths: Iterable[Path | str]) -> set[str]:
    return {f"filesystem:localhost.{path}" for path in paths}


def put(folder: Path, number: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{name}.txt" for name in range(number)]
    for path in paths:
        path.write_text("cat\n")
    return paths


def test_files_dictionaries_merged_results_and_shards_are_named(tmp_path: Path) -> None:
    texts, words, merged = put(tmp_path / "in", 3), tmp_path / "words", tmp_path / "old.json"
    words.write_text("act\ncat\n")
    merged.write_text('{"act": 1, "cat": 1}')
    output = tmp_path / "new.jsonl"
    for engine in ("vectorized", "elementwise"):
        with beam.Pipeline(runner="FnApiRunner") as p:
            previous = ReadPreviousCounts(DictionarySpec.of(words).pinned(), str(merged))
            count = CountAnagrams(dictionary=words, previous=previous, engine=engine)
            p | ReadFiles(f"{tmp_path}/in/*") | count | WriteResults(output, num_shards=2)
        shards = (f"{output}-0000{shard}-of-00002" for shard in range(2))
        assert lineage_of(p.result) == {
            Lineage.SOURCE: named([*texts, words, merged]),
            Lineage.SINK: named(shards),
        }


def test_of_many_files_the_folders_are_named_and_of_many_shards_the_pattern(
    tmp_path: Path,
) -> None:
    put(tmp_path / "in", 11)
    put(tmp_path / "more", 1)
    output = tmp_path / "new.jsonl"
    with beam.Pipeline(runner="FnApiRunner") as p:
        read = ReadFiles([f"{tmp_path}/in/*", f"{tmp_path}/more/*"])
        p | read | CountAnagrams(dictionary=["act"]) | WriteResults(output, num_shards=11)
    assert lineage_of(p.result) == {
        Lineage.SOURCE: named([f"{tmp_path}/in/", f"{tmp_path}/more/"]),
        Lineage.SINK: named([f"{output}-*-of-00011"]),
    }
