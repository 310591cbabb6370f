"""Beam's metrics have one namespace and a fixed set of names, and agree with the totals."""

import gzip
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import build
from beam_pipeline.io.sources import ReadFiles
from beam_pipeline.pipeline import StageSettings
from tests.support import reference
from transforms.stages.beam_metrics import NAMESPACE
from transforms.stages.chaos import Chaos
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count

TEXTS = {"a.txt": "cat act software dog " * 9, "b.txt": "the cat xyzzy é\n" * 99}
DISTRIBUTIONS = ("word_length", "block_bytes", "block_microseconds")


def run(folder: Path, engine: str, resilience: Resilience) -> PipelineResult:
    for name, text in TEXTS.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "c.txt.gz").write_bytes(gzip.compress(b"tac \xff\xff god"))
    stage: StageSettings = {"resilience": resilience, "side_outputs": SideOutputs()}
    p = beam.Pipeline(runner="FnApiRunner")
    source = ReadFiles((f"{folder}/*",), **stage)
    build(p, source, engine=engine, **stage)
    result = p.run()
    result.wait_until_finish()
    return result


def counters(result: PipelineResult) -> Counter[str]:
    found: Counter[str] = Counter()
    for metric in result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]:
        found[metric.key.metric.name] += metric.committed
    return found


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_counters_tell_what_happened(engine: str, tmp_path: Path) -> None:
    found = counters(run(tmp_path, engine, Resilience()))
    words = [word for text in TEXTS.values() for word in reference.words(text, "unicode")]
    matched = reference.dictionary_words("gcide")
    signatures = {"".join(sorted(word)) for word in matched}
    hits = sum("".join(sorted(word)) in signatures for word in [*words, "tac", "god"])
    assert found == {
        "bytes_read": sum(len(text.encode()) for text in TEXTS.values()) + 10,
        "blocks_read": 3,
        "words": len(words) + 2,
        "words_matched": hits,
        "words_unmatched": len(words) + 2 - hits,
        "invalid_bytes": 2,
    }
    assert set(found) <= {count.value for count in Count}


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_distributions_have_the_lengths_of_words_and_the_sizes_of_blocks(
    engine: str, tmp_path: Path
) -> None:
    result = run(tmp_path, engine, Resilience())
    query = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    found = {metric.key.metric.name: metric.committed for metric in query["distributions"]}
    assert set(found) == set(DISTRIBUTIONS)
    assert (found["word_length"].min, found["word_length"].max) == (1, 8)
    sizes = [len(text.encode()) for text in TEXTS.values()] + [10]
    block_bytes = found["block_bytes"]
    assert (block_bytes.count, block_bytes.sum, block_bytes.min) == (3, sum(sizes), 10)
    assert found["block_microseconds"].count >= 1


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_retries_and_injected_faults_are_counted(engine: str, tmp_path: Path) -> None:
    chaos = Chaos.parse("rate=0.4,seed=5,latency=0")
    found = counters(run(tmp_path, engine, Resilience(50, chaos=chaos)))
    assert found["faults_injected"] == found["retries"] > 0
