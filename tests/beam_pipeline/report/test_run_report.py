"""Whole runs through the real command line report what they did, the same wherever they ran."""

import hashlib
import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.cli.messages import wants_json
from beam_pipeline.errors import ReportError
from tests.support import reference
from tests.support.cli import COMMAND, GIVE_UP, Finished, Here, environment, interruptible, run
from tests.support.files import COMPRESSORS
from tests.support.reports import Page, check_schema

TEXTS = {
    "a.txt": "The cat's act was a well-known one: STREAM after stream of masters, tac!\n" * 3000,
    "b.txt": "“Listen”, said the silent café – xyzzy \u05e9\u05dc\u05d5\u05dd é\n" * 900,
    "c/d.txt": "tales of the least software" * 30,
}
#: Figures that follow from the data alone.
DERIVED = (
    *("metrics", "invariants", "words_by_length", "result", "largest_classes"),
    *("dead_letters", "input", "dictionary"),
)


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with texts in ``texts``."""
    for name, text in TEXTS.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report_of(finished: Finished, path: Path) -> dict[str, Any]:
    """The report at `path` of a run that succeeded."""
    assert finished.code == 0, finished.err
    return check_schema(path.read_text("utf-8"))


def derived(report: dict[str, Any]) -> dict[str, Any]:
    """The figures of `report` that follow from the data alone."""
    metrics = {**report["metrics"], "block_microseconds": None}  # by the clock
    assert report["metrics"]["block_microseconds"]["count"] > 0
    assert all(one["holds"] for one in report["invariants"])
    # How many words are keyed is the engine's affair: all, or those of the dictionary.
    found_invariants = [one for one in report["invariants"] if "keyed" not in one["statement"]]
    assert len(found_invariants) == len(report["invariants"]) - 1
    return {name: report[name] for name in DERIVED} | {
        "metrics": metrics,
        "invariants": found_invariants,
    }


@pytest.mark.slow
def test_figures_are_the_same_wherever_the_run_was(folder: Path, gcide: frozenset[str]) -> None:
    workers = {
        "in_memory": [],
        "multi_threading": ["--direct_running_mode=multi_threading", "--direct_num_workers=1"],
        "multi_processing": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
    }
    reports = {}
    for mode, options in workers.items():
        for engine in ("vectorized", "elementwise"):
            arguments = ["--input=texts", "--output=r.json", "--report=r.report.json"]
            finished = run(*arguments, f"--engine={engine}", *options, cwd=folder)
            reports[mode, engine] = report_of(finished, folder / "r.report.json")
    figures = derived(reports["in_memory", "vectorized"])
    for place, report in reports.items():
        assert derived(report) == figures, place
        assert set(report) == set(reports["in_memory", "vectorized"]), place
        assert place[0] in report["runner"]
        assert sum(phase["seconds"] for phase in report["phases"]) == pytest.approx(
            report["wall_seconds"], abs=1e-3
        )
        assert report["timeline"][-1]["bytes_read"] >= report["input"]["bytes"]
    text = "\n".join(TEXTS.values())
    assert json.loads((folder / "r.json").read_text("utf-8")) == reference.counts(text, gcide)
    check_figures(reports["in_memory", "vectorized"], text, gcide)


def check_figures(report: dict[str, Any], text: str, gcide: frozenset[str]) -> None:
    """The figures of `report` are those of `text`, as the oracle has them."""
    found = reference.words(text)
    keys = {"".join(sorted(word)) for word in gcide}
    matched = [word for word in found if "".join(sorted(word)) in keys]
    metrics = report["metrics"]
    assert metrics["words"] == len(found)
    assert metrics["words_matched"] == len(matched)
    assert metrics["words_unmatched"] == len(found) - len(matched) > 0
    assert metrics["classes"] == len({"".join(sorted(word)) for word in matched})
    assert metrics["bytes_read"] == sum(len(one.encode()) for one in TEXTS.values())
    assert metrics["records_written"] == len(reference.counts(text, gcide))
    assert metrics["word_length"] == {
        "count": len(found),
        "min": min(map(len, found)),
        "mean": pytest.approx(sum(map(len, found)) / len(found), abs=1e-6),
        "max": max(map(len, found)),
    }
    lengths = {one["length"]: one["words"] for one in report["words_by_length"]}
    assert lengths == Counter(map(len, found))
    counts = Counter("".join(sorted(word)) for word in matched)
    largest = {one["signature"]: one["count"] for one in report["largest_classes"]}
    assert sorted(largest.values(), reverse=True) == sorted(counts.values(), reverse=True)[:20]
    assert all(counts[key] == count for key, count in largest.items())
    assert report["input"] == {"patterns": ["texts"], "files": 3, "bytes": metrics["bytes_read"]}
    assert report["dictionary"]["words"] == 105_381
    assert report["dictionary"]["classes"] == 97_527


def test_the_result_is_identified_by_its_sha256(folder: Path, here: Here) -> None:
    arguments = ["--input=texts", "--report=r.json", "--num_shards=2", "--output=counts.csv"]
    report = report_of(here(*arguments), folder / "r.json")
    paths = ["counts.csv-00000-of-00002", "counts.csv-00001-of-00002"]
    assert report["result"] == [
        {
            "path": path,
            "bytes": (folder / path).stat().st_size,
            "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest(),
        }
        for path in paths
    ]
    finished = here("--input=texts", "--report=r.json")
    report = report_of(finished, folder / "r.json")
    assert report["result"] == [
        {
            "path": None,
            "bytes": len(finished.out),
            "sha256": hashlib.sha256(finished.out).hexdigest(),
        }
    ]


def test_compressed_input_has_its_stored_size(folder: Path, here: Here) -> None:
    text = TEXTS["a.txt"].encode() * 20
    for extension, compress in COMPRESSORS.items():
        path = folder / f"x.txt.{extension}"
        path.write_bytes(compress(text))
        finished = here(f"--input={path}", "--report=r.json")
        report = report_of(finished, folder / "r.json")
        assert report["input"]["bytes"] == path.stat().st_size
        assert report["metrics"]["bytes_read"] == len(text)
        # What was read, as stored; a decompressor may look at the end of its file twice.
        assert report["timeline"][-1]["bytes_read"] == pytest.approx(path.stat().st_size, abs=64)


def test_chaos_and_dead_letters_are_reported(folder: Path, here: Here) -> None:
    finished = here(
        *("--input=texts", "--output=r.json", "--report=r.report.json", "--max_attempts=1"),
        *("--chaos=anagrams=0.2,words=0.01,latency=0", "--engine=elementwise"),
        *("--on_error=dead_letter", "--dead_letters=dead.jsonl"),
    )
    report = report_of(finished, folder / "r.report.json")
    letters = (folder / "dead.jsonl").read_text("utf-8").splitlines()
    assert report["metrics"]["faults_injected"] == len(letters) > 0
    assert report["metrics"]["store_requests"] is None
    assert report["unknown"]["store_requests"] == "all files of the run are local"
    assert report["metrics"]["dead_letters"] == len(letters)
    assert report["dead_letters"]["number"] == len(letters)
    assert report["dead_letters"]["path"] == "dead.jsonl"
    assert sum(report["dead_letters"]["by_cause"].values()) == len(letters)
    assert set(report["dead_letters"]["by_cause"]) >= {"key: InjectedError"}
    assert f"dead letters: {len(letters):,} in dead.jsonl" in finished.err


def test_a_failed_run_reports_what_is_known(folder: Path, here: Here) -> None:
    (folder / "bad.txt").write_bytes(b"cat \xff")
    finished = here("--input=bad.txt", "--encoding_errors=strict", "--report=r.json")
    assert finished.code == 1
    report = check_schema((folder / "r.json").read_text("utf-8"))
    assert report["status"] == "failed"
    remedy = "--encoding_errors=replace leaves such bytes out"
    assert finished.err == f"error: {report['error']}; {remedy}\n"
    assert report["input"] == {"patterns": ["bad.txt"], "files": 1, "bytes": 5}
    assert report["wall_seconds"] > 0
    assert {report["metrics"][name] for name in report["metrics"]} == {None}
    assert report["invariants"] is report["result"] is report["words_per_second"] is None
    assert report["unknown"]["metrics"] == "the run failed"
    assert here("--input=bad.txt", "--encoding_errors=strict", "--report=r.html").code == 1
    assert report["error"] in Page((folder / "r.html").read_text("utf-8")).texts


def test_an_interrupted_run_reports_that_it_was(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with interruptible():
        running = subprocess.Popen(
            [*COMMAND, "--input=pipe", "--report=r.json"],
            cwd=folder,
            env=environment(),
            stderr=subprocess.PIPE,
        )
    with (folder / "pipe").open("wb", buffering=0) as writer:  # opens when the run reads
        writer.write(b"cat")
        running.send_signal(signal.SIGINT)
    running.communicate(timeout=GIVE_UP)
    assert running.returncode == 130
    report = check_schema((folder / "r.json").read_text("utf-8"))
    assert report["status"] == "failed"
    assert report["error"] == "interrupted; nothing was published"


def test_text_of_a_run_is_not_markup_on_its_page(folder: Path, here: Here) -> None:
    name = "<script>alert('1')<\u200b\u202eB>.txt".replace("/", "")
    (folder / name).write_text("\u05d0\u05d1\u05d2 \u05d2\u05d1\u05d0 \u05d0\u05d1\u05d2")
    finished = here(f"--input={name}", "--dictionary=none", "--report=r.html")
    assert finished.code == 0, finished.err
    page = Page((folder / "r.html").read_text("utf-8"))
    assert page.texts.count(name) == 2  # as the input, and among the options
    assert "\u05d0\u05d1\u05d2 \u05d2\u05d1\u05d0" in page.texts
    assert "script" not in page.tags


def test_secrets_and_long_texts_are_not_reported(folder: Path, here: Here) -> None:
    text = "cat " * 1000
    finished = here(
        f"--text={text}", "--report=r.json", "--s3_secret_access_key=hush", "--top=1000"
    )
    report = report_of(finished, folder / "r.json")
    assert "hush" not in (folder / "r.json").read_text("utf-8")
    assert report["options"]["s3_secret_access_key"] == "***"
    assert report["options"]["text"] == "cat " * 50 + "... (4,000 characters)"
    assert report["options"]["top"] == 1000
    assert report["options"]["min_count"] == 1  # not given, but in force


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--report=r.xml"], ["--report=r.xml", ".json", ".html"]),
        (["--report="], ["--report", ".json", ".html"]),
        (["--report=texts/a.txt/r.json"], ["--report=texts/a.txt/r.json"]),
        (["--report=r.json", "--output=./r.json"], ["--report=r.json", "--output"]),
        (["--report=texts.json"], ["--report=texts.json", "folder"]),
        (["--log_format=xml"], ["--log_format", "xml"]),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], names: list[str], folder: Path, here: Here
) -> None:
    (folder / "texts.json").mkdir()
    finished = here("--text=cat", *arguments)
    assert finished.code == 2
    assert finished.err.count("\n") == 1
    for name in names:
        assert name in finished.err


def test_a_report_that_cannot_be_written_is_an_error(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ReportError("r.json: cannot be written (no space)")

    monkeypatch.setattr("beam_pipeline.job.write_all", fail)
    finished = here("--text=cat", "--output=c.json", "--report=r.json")
    assert finished.code == 1
    assert finished.err == (
        "error: --report=r.json: cannot be written (no space); the result had been published\n"
    )
    assert json.loads((folder / "c.json").read_text()) == {"act": 1, "cat": 1, "tac": 1}


@pytest.mark.slow
def test_what_worker_processes_say_can_be_json_too(folder: Path) -> None:
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    finished = run("--text=cat", "--log_format=json", "--verbose", *workers, cwd=folder)
    assert finished.code == 0
    assert [json.loads(line) for line in finished.err.splitlines()][-1]["event"] == "done"


def test_everything_on_standard_error_can_be_json(folder: Path) -> None:
    finished = run("--text=cat", "--log_format=json", "--verbose", cwd=folder)
    assert finished.code == 0
    events = [json.loads(line) for line in finished.err.splitlines()]
    assert {event["event"] for event in events} == {"log", "done"}
    assert events[-1]["event"] == "done"
    assert events[-1]["words"] == 1
    wrong = run("--txet=cat", "--log-format", "json", cwd=folder)
    assert json.loads(wrong.err) == {
        "event": "error",
        "message": "unknown option --txet; did you mean --text?",
        "exit_code": 2,
    }
    cases = run("--test_case=small", "--log_format=json", cwd=folder)
    assert json.loads(cases.err)["verdict"] == "as expected"


def test_both_spellings_ask_for_json() -> None:
    assert wants_json(["--log_format=json"])
    assert wants_json(["--text", "x", "--log-format", "json"])
    assert not wants_json(["--log_format", "text", "--text", "json"])
    assert not wants_json(["--text=--log_format=json"])
