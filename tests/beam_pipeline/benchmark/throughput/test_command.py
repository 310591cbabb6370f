"""The command as a person starts it: a table, a file, exit codes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from beam_pipeline.benchmark.throughput import command as throughput
from tests.support.cli import environment, interruptible


@pytest.mark.slow
def test_the_whole_benchmark_of_a_small_text(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = throughput.main(
        [
            *("--input", str(source), "--iterations=1", f"--json={tmp_path / 'a.json'}"),
            *("--only=parts,files,peers,start,corpus,dictionary", "--skip=pyspark,elementwise"),
            *("--files=20", "--list-words=100"),
        ]
    )
    printed = capsys.readouterr().out
    assert code == 0, printed
    rows = [
        *("whole command", "kernel alone", "source alone", "one file", "20 files"),
        *("this project, vectorized", "wc -w", "tr | sort | uniq -c", "Polars", "DuckDB"),
        *("a Beam pipeline that does nothing", "one word", "the whole text"),
        *("--dictionary none", "its kernel alone", "words as here"),
        *("a plain loop in Python, a list of 100 words", "this project, a list of 100 words"),
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


@pytest.mark.slow
def test_an_interrupt_keeps_the_rounds_that_were_finished(source: Path, tmp_path: Path) -> None:
    with interruptible():
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "beam_pipeline.benchmark", "throughput"),
                *("--input", str(source), "--only=files", "--files=3", "--iterations=10000"),
                "--json=a.json",
            ],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    while not (tmp_path / "a.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 143
    assert "one file" in out.decode() and "medians of the runs that were finished" in out.decode()
    assert err.decode().startswith("error: interrupted; the results are saved in a.json (in part")
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["complete"] is False
    assert [row["name"] for row in report["rows"]] == ["one file", "3 files"]
    assert psutil.wait_procs(started, timeout=60)[1] == []


@pytest.mark.slow
def test_what_cannot_be_printed_is_saved(source: Path, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "beam_pipeline.benchmark", "throughput"),
                *("--input", str(source), "--only=files", "--files=3", "--iterations=1"),
            ],
            cwd=tmp_path,
            env=environment(PYTHONIOENCODING="ascii"),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    (path,) = (tmp_path / "benchmark_results").iterdir()
    assert finished.returncode == 1
    assert finished.stderr.decode() == (
        "error: standard output: cannot be written (No space left on device); "
        f"the results are saved in benchmark_results/{path.name}\n"
    )
    assert json.loads(path.read_text())["complete"] is True
