"""``compare-reports`` prints what differs between two runs; limits decide its exit code."""

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.benchmark.compare import export
from beam_pipeline.benchmark.throughput.rows import Row
from beam_pipeline.report.model import LargestClass, ResultFile, RunReport, to_json
from beam_pipeline.report.recorder import LARGEST_CLASSES
from tests.beam_pipeline.benchmark.compare.build import measured, orchestrator, subject
from tests.support.cli import Here, assert_one_line_error
from tests.support.reports import done, failed

SLOWER = {"wall_seconds": 6.5, "peak_memory_bytes": 644_000_000}


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Here:
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Here(capfdbinary)


def save(name: str, report: RunReport) -> str:
    Path(name).write_text(to_json(report), "utf-8")
    return name


def compared(here: Here, *arguments: object) -> dict[str, Any]:
    finished = here("compare-reports", *arguments, "--output_format=json")
    assert (finished.code, finished.err) == (0, "")
    differs: dict[str, Any] = json.loads(finished.out)
    return differs


def test_equal_runs_differ_in_nothing(here: Here) -> None:
    differs = compared(here, save("a.json", done()), save("b.json", done()))
    assert differs["facts"] == {}
    assert differs["classes"] == []
    assert differs["same_result"] is True
    assert all(one == other for one, other in differs["figures"].values())
    out = here("compare-reports", "a.json", "b.json").out.decode()
    assert "the result files are equal" in out


def test_what_was_run_what_came_out_and_what_it_took_is_compared(here: Here) -> None:
    after = done(
        options={**done().options, "min_count": 2, "output": "elsewhere.json"},
        dictionary=replace(done().dictionary, spec="web2"),
        metrics={**done().metrics, "words": 5},
        **SLOWER,
    )
    differs = compared(here, save("a.json", done()), save("b.json", after))
    assert differs["facts"] == {
        "options.min_count": [1, 2],
        "dictionary.spec": ["gcide", "web2"],
    }
    figures = differs["figures"]
    assert figures["metrics.words"] == [4, 5]
    assert figures["wall_seconds"] == [3.25, 6.5]
    assert figures["peak_memory_bytes"] == [322_000_000, 644_000_000]
    lines = here("compare-reports", "a.json", "b.json").out.decode().splitlines()
    assert [line.split() for line in lines if line.startswith("wall_")] == [
        ["wall_seconds", "3.25", "s", "6.50", "s", "+100.0", "%"]
    ]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (["--max_slowdown=2"], None),
        (
            ["--max-slowdown", "1.9"],
            "--max_slowdown=1.9: wall_seconds is 2.00 times that of a.json",
        ),
        (["--max_memory_growth=2"], None),
        (["--max_memory_growth=1.5"], "peak_memory_bytes is 2.00 times that of a.json"),
        (["--same_result"], None),
    ],
)
def test_limits_decide_the_exit_code(here: Here, limits: list[str], told: str | None) -> None:
    save("a.json", done()), save("b.json", done(**SLOWER))
    finished = here("compare-reports", "a.json", "b.json", *limits)
    assert b"wall_seconds" in finished.out  # what differs is printed in any case
    assert finished.code == (0 if told is None else 1)
    assert finished.err.count("\n") == (0 if told is None else 1)
    assert (told or "") in finished.err


@pytest.mark.parametrize(
    ("before", "after", "limit"),
    [
        (done(), failed(), "--max_slowdown=9"),
        (done(), failed(), "--same_result"),
        (done(), done(peak_memory_bytes=None), "--max_memory_growth=9"),
        (done(peak_memory_bytes=None), done(), "--max_memory_growth=9"),
        (done(), done(result=None), "--same_result"),
        (done(), done(result=(ResultFile("counts.json", 12, "ef" * 32),)), "--same_result"),
    ],
)
def test_a_limit_that_does_not_hold_or_cannot_be_checked_fails(
    here: Here, before: RunReport, after: RunReport, limit: str
) -> None:
    save("a.json", before), save("b.json", after)
    assert here("compare-reports", "a.json", "b.json").code == 0
    finished = here("compare-reports", "a.json", "b.json", limit)
    assert finished.code == 1
    assert finished.err.startswith(f"error: {limit}: ")
    assert finished.err.count("\n") == 1


def test_classes_that_are_not_among_the_largest_are_not_taken_for_absent(here: Here) -> None:
    def classes(*counts: int) -> tuple[LargestClass, ...]:
        return tuple(LargestClass(f"a{n}", n, (f"a{n}",)) for n in counts)

    full = range(100, 100 + LARGEST_CLASSES)
    save("a.json", done(largest_classes=classes(*full)))
    save("b.json", done(largest_classes=classes(*full[1:], 900)))
    assert compared(here, "a.json", "b.json")["classes"] == [
        {"signature": "a900", "words": ["a900"], "before": None, "after": 900},
        {"signature": "a100", "words": ["a100"], "before": 100, "after": None},
    ]
    save("b.json", done(largest_classes=classes(100)))  # fewer than are reported: these are all
    assert compared(here, "a.json", "b.json", "--top=1")["classes"] == [
        {"signature": f"a{full[-1]}", "words": [f"a{full[-1]}"], "before": full[-1], "after": 0}
    ]


def test_results_are_compared_class_by_class_whatever_their_formats(here: Here) -> None:
    save("a.json", done()), save("b.json", done(result=None))
    Path("r.csv").write_text("word,count,signature\nact,2,act\ncat,2,act\ngod,1,dgo\n")
    Path("s.json").write_text('{"act": 2, "cat": 2, "god": 1}')
    Path("t.jsonl").write_text('{"word": "act", "count": 7, "signature": "act"}\n')
    same = ["--same_result", "--results"]
    assert here("compare-reports", "a.json", "b.json", *same, "r.csv", "s.json").code == 0
    finished = here("compare-reports", "a.json", "b.json", *same, "r.csv", "t.jsonl")
    assert (finished.code, finished.err.count("\n")) == (1, 1)
    lines = finished.out.decode().splitlines()[-4:]
    assert [line.split() for line in lines] == [
        [],
        ["2", "anagram", "classes", "differ:"],
        ["act", "cat", "2", "7", "+5"],
        ["god", "1", "0", "-1"],
    ]


@pytest.mark.parametrize("results", [["r.xml", "s.json"], ["missing.json", "s.json"], ["r.json"]])
def test_results_that_are_none_are_a_usage_error(here: Here, results: list[str]) -> None:
    save("a.json", done())
    Path("s.json").write_text('{"act": 1}')
    finished = here("compare-reports", "a.json", "a.json", "--results", *results)
    assert_one_line_error(finished, "results" if len(results) == 1 else results[0], code=2)


def test_what_benchmark_commands_save_is_compared_in_the_same_way(here: Here) -> None:
    for name, seconds in (("a.json", 1.0), ("b.json", 1.5)):
        result = subject(orchestrator("x", *measured(seconds)), name="medium")
        Path(name).write_text(export.to_json([result], {"seed": name}))
    assert compared(here, "a.json", "b.json")["facts"] == {"settings.seed": ["a.json", "b.json"]}
    assert here("compare-reports", "a.json", "b.json", "--same_result").code == 0
    finished = here("compare-reports", "a.json", "b.json", "--max_slowdown=1.2")
    assert finished.code == 1
    assert "medium.x.runtime.median is 1.50 times that of a.json" in finished.err
    Path("b.json").write_text(export.to_json([], {"seed": "a.json"}))
    finished = here("compare-reports", "a.json", "b.json", "--max_slowdown=1.2")
    assert "medium.x.runtime.median is not in b.json" in finished.err


@pytest.mark.parametrize("loads", [(1.5, 1.5), (1.5, 3.0), (None, 1.5)])
def test_the_load_of_the_machine_is_shown_even_if_it_was_equal(
    here: Here, loads: tuple[float | None, float]
) -> None:
    machine = {"schema_version": 1, "complete": True, "rows": []}
    for name, load in zip(("a.json", "b.json"), loads, strict=True):
        known = {} if load is None else {"load": load}
        Path(name).write_text(json.dumps({**machine, "machine": {"cores": 2, **known}}))
    differs = compared(here, "a.json", "b.json")
    assert (differs["facts"], differs["figures"]) == ({}, {"machine.load": list(loads)})


def test_what_throughput_saves_is_compared_too(here: Here) -> None:
    for name, seconds in (("a.json", 1.0), ("b.json", 1.5)):
        row = asdict(Row("whole", "vectorized", 100, seconds, peak_bytes=5))
        saved = {"schema_version": 1, "complete": True, "machine": {}, "rows": [row]}
        Path(name).write_text(json.dumps(saved))
    finished = here("compare-reports", "a.json", "b.json", "--max_slowdown=1.2")
    assert "whole.vectorized.seconds is 1.50 times that of a.json" in finished.err
    save("c.json", done())
    finished = here("compare-reports", "a.json", "c.json")
    assert_one_line_error(finished, "a.json", "c.json", "throughput", code=2)


BROKEN = {
    "empty": b"",
    "cut": to_json(done()).encode()[:300],
    "not an object": b"[1]",
    "another object": b'{"act": 1}',
    "deep": b"[" * 100_000,
    "not utf-8": b"\xff\xfe\xfd{}",
    "binary": b"PK\x03\x04" + bytes(100),
    "a newer version": b'{"status": "done", "schema_version": 99}',
    "text for a number": to_json(done()).replace("3.25", '"3.25"').encode(),
    "a huge number": to_json(done()).replace("3.25", "9" * 5000).encode(),
    "infinity": to_json(done()).replace("3.25", "Infinity").encode(),
    "too large": to_json(done()).replace("3.25", "1e999").encode(),
    "a list for a text": to_json(done()).replace('"done"', "[]").encode(),
    "numbers for words": to_json(done()).replace('"tac"', "5").encode(),
    "a text for classes": b'{"status": "done", "runner": "x", "largest_classes": "y"}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line(here: Here, name: str) -> None:
    save("a.json", done())
    Path("broken.json").write_bytes(BROKEN[name])
    for order in (["a.json", "broken.json"], ["broken.json", "a.json"]):
        assert_one_line_error(here("compare-reports", *order), "broken.json", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.json"],
        ["a.json", "a.json", "a.json"],
        ["a.json", "missing.json"],
        ["a.json", "."],
        ["a.json", "a.json", "--max_slowdown=0"],
        ["a.json", "a.json", "--max_slowdown=fast"],
        ["a.json", "a.json", "--max_slowdown=1.2", "--max_slowdown=1.3"],
        ["a.json", "a.json", "--max_slow=1.2"],
        ["--text=cat", "a.json", "a.json"],
    ],
)
def test_wrong_usage_is_one_line(here: Here, arguments: list[str]) -> None:
    save("a.json", done())
    assert_one_line_error(here("compare-reports", *arguments), code=2)


def test_a_misspelt_option_leads_to_the_right_one(here: Here) -> None:
    finished = here("compare-reports", "a.json", "a.json", "--max_slowdwon=1.2")
    assert_one_line_error(finished, "--max_slowdwon; did you mean --max_slowdown?", code=2)


def test_where_the_command_stands_elsewhere_the_error_says_so(here: Here) -> None:
    finished = here("--text=cat", "compare-reports")
    assert_one_line_error(finished, "compare-reports BEFORE AFTER", code=2)


def test_nothing_in_a_report_commands_a_terminal(here: Here) -> None:
    save("a.json", done())
    save("b.json", done(largest_classes=(LargestClass("\x1b[2J", 5, ("\x1b[2J",)),), runner="\x9b"))
    finished = here("compare-reports", "a.json", "b.json")
    assert finished.code == 0
    assert finished.out.decode().replace("\n", "").isprintable()


def test_a_compressed_report_and_help_are_read(here: Here) -> None:
    save("a.json", done())
    Path("a.json.gz").write_bytes(gzip.compress(Path("a.json").read_bytes()))
    assert here("compare-reports", "a.json", "a.json.gz", "--same_result").code == 0
    assert b"--max_memory_growth" in here("compare-reports", "--help").out
    assert b"compare-reports" in here("--help").out
