"""What is not known of a run is null, with the reason."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.cli.parsing import parse
from beam_pipeline.report.html import to_html
from beam_pipeline.report.model import RunReport, to_json
from beam_pipeline.report.recorder import RunRecorder, one_line
from tests.support.reports import Page, check_schema
from transforms.dictionary import DictionarySpec
from transforms.errors import AnagramError, DictionaryError
from transforms.stages.totals import Count, Totals

COUNTS = {
    Count.BYTES_READ: 20,
    Count.BLOCKS_READ: 1,
    Count.BLOCKS_PROCESSED: 1,
    Count.WORDS: 4,
    Count.WORDS_MATCHED: 3,
    Count.WORDS_UNMATCHED: 1,
    Count.WORDS_KEYED: 4,
    Count.WORDS_COUNTED: 4,
    Count.CLASSES: 1,
    Count.RECORDS_WRITTEN: 3,
    Count.RECORDS_TO_WRITE: 3,
    Count.DEAD_LETTERS: 0,
    Count.INPUT_FILES: 7,
    Count.INPUT_BYTES: 11,
    Count.INPUT_BYTES_READ: 11,
}
TOTALS = Totals(Counter(COUNTS), Counter({3: 3, 64: 1}))
REMOTE = ["--runner=FlinkRunner", "--flink_master=somewhere:8081"]


def reported(
    scratch: Path, *arguments: str, totals: Totals | None, error: Exception | None = None
) -> RunReport:
    """The report of a run of which only these totals are known."""
    options = parse([f"--output={scratch}/r.json", f"--report={scratch}/r.html", *arguments])
    recorder = RunRecorder(options, tempfile.mkdtemp(dir=scratch))
    if error is None:
        recorder.record_dictionary(DictionarySpec.union(options.dictionary))
    with recorder.recording():
        if totals is not None:
            recorder.record_totals(totals, Count)
    return recorder.report(error)


def plain(report: RunReport) -> dict[str, Any]:
    """The JSON of `report`."""
    return check_schema(to_json(report))


def test_what_workers_elsewhere_use_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat")
    report = reported(tmp_path, *REMOTE, f"--input={tmp_path}/a.txt", totals=TOTALS)
    found = plain(report)
    for name in ("cpu_seconds", "phases", "peak_memory_bytes", "peak_process_bytes", "timeline"):
        assert found[name] is None
        assert found["unknown"][name] == "FlinkRunner may work on other machines"
    assert found["input"] == {"patterns": [f"{tmp_path}/a.txt"], "files": 7, "bytes": 11}
    assert found["unknown"]["block_bytes"] == "the runner has reported none"
    assert found["metrics"]["words"] == 4
    assert found["metrics"]["retries"] == 0  # nothing was counted: there was none
    assert all(one["holds"] for one in found["invariants"])
    assert "unknown: the runner has reported none" in Page(to_html(report)).texts


def test_of_a_failed_run_nothing_is_zero(tmp_path: Path) -> None:
    report = reported(tmp_path, "--input=x", totals=None, error=AnagramError("no\nluck"))
    found = plain(report)
    assert found["error"] == "no luck"
    assert set(found["metrics"].values()) == {None}
    assert found["dead_letters"] == {"path": None, "number": None, "by_cause": {}}
    assert found["unknown"]["phases"] == "the run failed before its runner began"
    assert found["input"] == {"patterns": ["x"], "files": None, "bytes": None}
    assert "failed" in found["unknown"]["input"]
    for name in ("metrics", "invariants", "words_by_length", "result", "largest_classes"):
        assert found["unknown"][name] == "the run failed"


def test_of_a_text_that_is_given_itself_no_reading_is_reported(tmp_path: Path) -> None:
    found = plain(reported(tmp_path, "--text=x", totals=TOTALS))
    assert {point["bytes_read"] for point in found["timeline"]} == {None}
    assert found["unknown"]["timeline"] == "a text that is given itself is not read from files"


def test_the_longest_words_share_one_length(tmp_path: Path) -> None:
    found = plain(reported(tmp_path, "--text=x", totals=TOTALS))
    assert found["words_by_length"] == [{"length": 3, "words": 3}, {"length": 64, "words": 1}]
    assert found["metrics"]["word_length"] == {"count": 4, "min": 3, "mean": 18.25, "max": 64}


def test_a_dictionary_that_cannot_be_read_has_no_identity(tmp_path: Path) -> None:
    report = reported(tmp_path, "--text=x", "--dictionary=none", totals=TOTALS)
    assert plain(report)["dictionary"]["sha256"] is None
    assert plain(report)["unknown"]["dictionary"] == "the words of the text itself"
    error = DictionaryError("nosuch: no such dictionary")
    report = reported(tmp_path, "--text=x", "--dictionary=nosuch", totals=None, error=error)
    assert plain(report)["dictionary"]["words"] is None
    assert plain(report)["unknown"]["dictionary"] == "the run failed before it was loaded"


def test_a_broken_invariant_is_reported_as_broken(tmp_path: Path) -> None:
    report = reported(
        tmp_path, "--text=x", totals=Totals(Counter(COUNTS | {Count.BLOCKS_PROCESSED: 0}))
    )
    broken = [one["statement"] for one in plain(report)["invariants"] if not one["holds"]]
    assert broken == ["blocks read = blocks processed + blocks in dead letters"]
    assert "broken" in Page(to_html(report)).texts


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (AnagramError("a\n  b"), "a b"),
        (KeyboardInterrupt(), "interrupted; nothing was published"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_an_error_is_one_line(error: BaseException, line: str) -> None:
    assert one_line(error) == line
