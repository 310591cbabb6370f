"""An attempt that failed leaves no trace: neither in counts nor in totals."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that

from beam_pipeline.report.model import RunReport
from tests.support.beam import pipeline
from tests.support.durability import ENOUGH, Proof, write_texts
from tests.support.tables import rows_of
from transforms.columns.combine import CombineColumns
from transforms.columns.passing import received
from transforms.stages.chaos import Chaos, Fault
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count, Totals
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block

BLOCKS = [
    *[Block("a", 0, b"cat software xyzzy dog \xff\xfe")] * 60,
    *[Block("b", 0, "café god act".encode("utf-16-le") + b"\x00\xdc", "utf-16-le")] * 5,
    *[Block("c", 0, "l'école, ﬁne".encode()), Block("d", 0, b"")] * 5,
]
#: What tells of the attempts themselves, and of time.
_OF_ATTEMPTS = ("retries", "faults_injected")


_counts: dict[str, int] = {}
_totals: list[Totals] = []


def take_counts(pairs: Iterable[tuple[str, int]]) -> None:
    _counts.update(pairs)


def take_totals(all_totals: Iterable[Totals]) -> None:
    _totals.extend(all_totals)


def tallied(chaos: Chaos, threads: int, limit: int) -> tuple[dict[str, int], Totals]:
    """Returns the counts by signature, and the sum of all totals."""
    _counts.clear()
    _totals.clear()
    resilience, side_outputs = Resilience(max_attempts=500, chaos=chaos), SideOutputs()
    with pipeline() as p:
        tally = TallyBlocks(
            threads=threads,
            small_bundle_bytes=limit,
            batch_bytes=100,
            resilience=resilience,
            side_outputs=side_outputs,
        )
        counted = (
            p
            | beam.Create(BLOCKS)
            | tally
            | CombineColumns()
            | beam.FlatMapTuple(lambda _, columns: rows_of(received(columns)))
        )
        assert_that(counted, take_counts, "Counts")
        assert_that(side_outputs.totals[0], take_totals, "Totals")
    totals = Totals()
    for each in _totals:
        totals.merge(each)
    return dict(_counts), totals


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("limit", [1 << 30, -1], ids=["small", "compiled"])
def test_failed_attempts_at_a_tally_change_nothing(limit: int, threads: int) -> None:
    counts, totals = tallied(Chaos(), threads, limit)
    assert totals[Count.WORDS] == 60 * 4 + 5 * 3 + 5 * 2
    assert totals[Count.BLOCKS_PROCESSED] == len(BLOCKS)
    assert totals[Count.INVALID_BYTES] == 60 * 2 + 5 * 2
    assert counts["act"] == 60 + 5
    for rate in (0.3, 0.9):
        for seed in range(2):
            faults = {"extract": Fault(rate), "key": Fault(rate / 2)}
            counts_then, totals_then = tallied(Chaos(faults, seed, latency=0), threads, limit)
            assert counts_then == counts
            retries = totals_then.counts.pop(Count.RETRIES)
            assert retries == totals_then.counts.pop(Count.FAULTS_INJECTED) > 0
            assert totals_then == totals


def figures(report: RunReport) -> Mapping[str, object]:
    """What a run tells of its text: the same, however it was run."""
    counters = {name: value for name, value in report.metrics.items() if isinstance(value, int)}
    return {
        **{name: counters[name] for name in counters if name not in _OF_ATTEMPTS},
        "lengths": report.words_by_length,
    }


@pytest.mark.slow
@pytest.mark.parametrize("dictionary", ["gcide", "none"])
def test_engines_running_modes_and_faults_tell_the_same_of_a_text(
    dictionary: str, tmp_path: Path
) -> None:
    write_texts(tmp_path, 1000, files=5)
    seen = []
    for engine in ("vectorized", "elementwise"):
        options = (f"--input={tmp_path}/text*.txt*", f"--engine={engine}")
        proof = Proof(tmp_path, (*options, f"--dictionary={dictionary}"))
        in_processes = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
        for how in ((), in_processes, ("--chaos=rate=0.4,latency=0", ENOUGH)):
            result, report = proof.result(*how)
            seen.append((result, figures(report)))
    assert seen[0][1]["words"]
    assert seen[0][1]["invalid_bytes"]
    for other in seen[1:]:
        assert other == seen[0]


def test_engines_tell_the_same_of_other_encodings(tmp_path: Path) -> None:
    data = "cat dog\nl'école ".encode("utf-16") + b"\x00\xdc" + "act\n".encode("utf-16-le")
    (tmp_path / "text.txt").write_bytes(data)
    seen = []
    for engine in ("vectorized", "elementwise"):
        arguments = (f"--input={tmp_path}/text.txt", f"--engine={engine}", "--encoding=utf-16")
        result, report = Proof(tmp_path, arguments).result()
        seen.append((result, figures(report)))
    assert seen[0] == seen[1]
    assert seen[0][1]["invalid_bytes"] == 2
