"""What travels to workers is small, and complete when it arrives."""

import apache_beam as beam
import pytest
from apache_beam.internal import pickler

from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.sources import ReadFiles, ReadString
from beam_pipeline.pipeline import build
from tests.support.beam import pipeline
from transforms.columns.combine import CombineColumns
from transforms.columns.convert import PackCounts
from transforms.columns.expand import ExpandColumns
from transforms.columns.top import TopColumns
from transforms.counts import CombineClassTallies, CountSignatures, MergeTalliesFn, SumFn
from transforms.dictionary import DictionarySpec
from transforms.expand import ExpandSignatures, TopWords
from transforms.filtering import FilterBlocks
from transforms.tally import TallyBlocks
from transforms.text.settings import TextSettings
from transforms.words import ExtractWords, KeyBySignature, KeyWithWord

LIMIT = 20_000
PARTS = [
    ReadString("cat"),
    ReadFiles(("*.txt", "more/**"), encoding="utf-16", text=TextSettings("ascii", "strict")),
    FilterBlocks(TextSettings(encoding_errors="strict")),
    ExtractWords(TextSettings("ascii"), 3),
    KeyBySignature(),
    KeyWithWord(),
    CountSignatures(),
    CombineClassTallies(),
    TallyBlocks(DictionarySpec("gcide+web2"), TextSettings(punctuation="split"), 2, 3),
    CombineColumns(100),
    PackCounts(3, 4),
    ExpandColumns(DictionarySpec("web2", "ascii"), 2, 3),
    ExpandSignatures(DictionarySpec("web2", "ascii"), 2, 3),
    WriteResults("result.csv", "csv", 3),
    DictionarySpec("gcide+web2", "ascii"),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_parts_survive_pickling_and_are_small(part: object) -> None:
    pickled = pickler.dumps(part)
    assert len(pickled) < LIMIT
    assert pickler.loads(pickled) == part


@pytest.mark.parametrize("part", [MergeTalliesFn(), SumFn(), TopWords(3), TopColumns(3)])
def test_parts_without_equality_survive_pickling(part: object) -> None:
    assert type(pickler.loads(pickler.dumps(part))) is type(part)


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_no_part_of_a_pipeline_carries_the_dictionary(engine: str) -> None:
    dictionary = DictionarySpec("gcide")
    assert dictionary.load().size > 100_000
    p = pipeline()
    build(p, ReadFiles(("*.txt",)), engine=engine, dictionary=dictionary, top=3) | WriteResults("r")
    proto = p.to_runner_api()
    payloads = {
        transform.unique_name: len(transform.spec.payload)
        for transform in proto.components.transforms.values()
    }
    assert len(payloads) > 10
    assert max(payloads.values()) < LIMIT


def test_labels_are_constant() -> None:
    """Two pipelines of the same settings have the same stages: a running job can be updated."""
    names = []
    for _ in range(2):
        p = beam.Pipeline(runner="FnApiRunner")
        build(p, ReadFiles(("*.txt",))) | WriteResults("result.json")
        transforms = p.to_runner_api().components.transforms.values()
        names.append(sorted(transform.unique_name for transform in transforms))
    assert names[0] == names[1]
