"""The commands as a person starts them: options, exit codes, files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from beam_pipeline.benchmark import cli
from tests.support.cli import ROOT, Finished, environment
from tests.support.reports import Page

pytestmark = pytest.mark.slow

FOLDER = ROOT / "benchmark_orchestrators"
PLANTED = Path(__file__).parent / "compare" / "planted"


def run(*arguments: object, cwd: Path) -> Finished:
    """``python -m beam_pipeline.benchmark`` with `arguments`."""
    finished = subprocess.run(
        [sys.executable, "-m", "beam_pipeline.benchmark", *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr.decode())


def test_a_comparison_with_all_its_outputs(tmp_path: Path) -> None:
    finished = run(
        *("compare", "--compare-dir", FOLDER, "--only=indexed,threads", "--test_case=all"),
        *("--iterations", 2, "--seed", "abc", "--json=a.json", "--chart=a.html", "--detailed"),
        cwd=tmp_path,
    )
    assert finished.code == 0, finished.err
    printed = finished.out.decode()
    for text in ("small: 1 word, 3 B", "medium: 79 words", "large:", "seed abc", "load average"):
        assert text in printed
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["schema_version"] == 2
    assert report["settings"]["seed"] == "abc"
    assert [subject["name"] for subject in report["subjects"]] == ["small", "medium", "large"]
    for subject in report["subjects"]:
        assert [found["name"] for found in subject["orchestrators"]] == ["indexed", "threads"]
        assert subject["best"]["success"] == ["indexed", "threads"]
        for found in subject["orchestrators"]:
            purposes = [run["purpose"] for run in found["all_runs"]]
            assert purposes == ["probe", "named", "warm-up", "measured", "measured"]
            assert found["verdict"] == "right"
            assert found["runtime"]["median"] > 0
            assert found["peak_bytes"] > 1e7
    page = Page((tmp_path / "a.html").read_text("utf-8"))
    assert {"indexed", "threads", "large: 712 words, 3.76 kB"} <= set(page.texts)
    assert any("seed abc; " in text for text in page.texts)
    assert sorted(os.listdir(tmp_path)) == ["a.html", "a.json"]


def test_a_chart_is_an_image_too(tmp_path: Path) -> None:
    finished = run(
        *("compare", "--compare-dir", FOLDER, "--only=indexed", "--test-case=small"),
        *("--iterations=1", "--chart=a.png", "--markdown"),
        cwd=tmp_path,
    )
    assert finished.code == 0, finished.err
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "| runtime, median ↓ | **" in finished.out.decode()


def test_any_text_can_be_compared_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfListen, \xffsilent caf\xc3\xa9 cat! " * 500)
    finished = run(
        *("compare", "--compare-dir", FOLDER, "--only=indexed,processes,naive_beam_wordcount"),
        *("--input=a.txt", "--iterations=1", "--json=a.json"),
        cwd=tmp_path,
    )
    assert finished.code == 0, finished.err
    (subject,) = json.loads((tmp_path / "a.json").read_text())["subjects"]
    assert (subject["name"], subject["words"]) == ("a.txt", 2000)
    assert all(found["verdict"] == "right" for found in subject["orchestrators"])


def test_one_orchestrator_is_measured(tmp_path: Path) -> None:
    finished = run(
        *("one", "--orchestrator", FOLDER / "indexed.py", "--iterations=1", "--test-case=small"),
        cwd=tmp_path,
    )
    assert finished.code == 0, finished.err
    assert "indexed" in finished.out.decode()
    assert "processes of an orchestrator" in finished.out.decode()


def test_one_wrong_orchestrator_is_an_exit_code(tmp_path: Path) -> None:
    file = PLANTED / "drops_multiplicity.py"
    finished = run("one", f"--orchestrator={file}", "--iterations=1", cwd=tmp_path)
    assert finished.code == 1
    assert "WRONG" in finished.out.decode()


def test_without_peers_the_comparison_goes_on(tmp_path: Path) -> None:
    shutil.copy(PLANTED / "lacks_package.py", tmp_path)
    finished = run(
        "compare", f"--compare-dir={tmp_path}", "--iterations=1", "--test-case=small", cwd=tmp_path
    )
    assert finished.code == 0
    assert "cannot start" in finished.out.decode()
    assert "No module named 'a_package_that_nobody_has'" in finished.out.decode()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--iterations=0"], ["--iterations", "'0'"]),
        (["--iterations", "many"], ["--iterations", "'many'"]),
        (["--timeout=-1"], ["--timeout", "'-1'"]),
        (["--timeout=nan"], ["--timeout", "'nan'"]),
        (["--warm-up=-1"], ["--warm-up", "'-1'"]),
        (["--test-case=huge"], ["--test-case", "huge", "medium"]),
        (["--test-case=all", "--input=a.txt"], ["--test-case", "--input"]),
        (["--input=missing.txt"], ["--input", "missing.txt"]),
        (["--input=."], ["--input", "directory"]),
        (["--chaos=words=often"], ["--chaos", "often"]),
        (["--json=missing/a.json"], ["--json", "missing/a.json"]),
        (["--chart=a.jpg"], ["--chart", "a.jpg", ".png", ".html"]),
        (["--iteration=3"], ["--iteration=3"]),
        (["more"], ["more"]),
        (["--compare-dir=missing"], ["--compare-dir", "missing"]),
        (["--compare_dir=."], ["--compare-dir", "TaskOrchestrator"]),
        (["--only=nobody"], ["--only", "nobody", "indexed"]),
        (["--skip=nobody"], ["--skip", "nobody"]),
        (["--only=indexed", "--skip=indexed"], ["--skip", "indexed"]),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str],
    names: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.compare(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    for name in names:
        assert name in err


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("--orchestrator=missing.py", "no such file"),
        (f"--orchestrator={PLANTED / 'helper.py'}", "no class TaskOrchestrator"),
    ],
)
def test_a_file_without_orchestrator_is_wrong_usage(
    argument: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.benchmark([argument]) == 2
    assert name in capsys.readouterr().err


def test_a_command_must_be_named(tmp_path: Path) -> None:
    finished = run("all", cwd=tmp_path)
    assert (finished.code, finished.out) == (2, b"")
    assert finished.err == "error: give one of one, compare, throughput first\n"


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "beam_pipeline.benchmark", "one"),
            *("--orchestrator", str(PLANTED / "hangs.py"), "--test-case=small"),
            "--timeout=100000",
        ],
        cwd=tmp_path,
        env=environment(PLANTED_FOLDER=str(tmp_path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "hanging").exists():
        assert process.poll() is None
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) == 2  # the supervisor and the worker
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert (process.returncode, complaint) == (130, b"error: interrupted\n")
    assert not any(left.is_running() for left in started)
