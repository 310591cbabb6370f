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
from tests.support.cli import ROOT, Finished, environment, interruptible
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
        (["--json=/dev/stdout"], ["--json", "/dev/stdout", "regular file"]),
        (["--chart=/dev/full"], ["--chart", "/dev/full"]),
        (["--chart=a.jpg"], ["--chart", "a.jpg", ".png", ".html"]),
        (["--iteration=3"], ["unknown option --iteration; did you mean --iterations?"]),
        (["--frobnicate"], ["unknown option --frobnicate; see --help"]),
        (["more"], ["unexpected argument 'more'"]),
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
        (f"--orchestrator={PLANTED / 'helper.py'}", "does not have a class TaskOrchestrator"),
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
    assert finished.err == "error: begin with a command: one, compare or throughput\n"


class Hanging:
    """The command ``benchmark``, interrupted when its orchestrator hangs."""

    def __init__(self, folder: Path, orchestrator: str, number: signal.Signals):
        with interruptible():
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "beam_pipeline.benchmark", "one"),
                    *("--orchestrator", str(PLANTED / orchestrator), "--test-case=small"),
                    *("--timeout=100000", "--iterations=3", "--json=a.json"),
                ],
                cwd=folder,
                env=environment(PLANTED_FOLDER=str(folder)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        while not (folder / "hanging").exists():
            assert process.poll() is None
            time.sleep(0.05)
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) == 2  # the supervisor and the worker
        process.send_signal(number)
        out, err = process.communicate()
        self.out, self.err, self.code = out.decode(), err.decode(), process.returncode
        self.left = [one for one in started if one.is_running()]


def test_an_interrupt_before_the_first_round_leaves_nothing_behind(tmp_path: Path) -> None:
    hanging = Hanging(tmp_path, "hangs.py", signal.SIGINT)
    assert (hanging.code, hanging.out) == (130, "")
    assert hanging.err == "error: interrupted; nothing was measured\n"
    assert hanging.left == []
    assert os.listdir(tmp_path) == ["hanging"]


#: Runs the command, which gets a signal when it imports a module.
INTERRUPTED_IMPORT = """
import os, runpy, sys

module, number = sys.argv[1:]
sys.argv[1:] = ["compare"]

def hook(event, arguments):
    if event == "import" and arguments[0] == module:
        os.kill(os.getpid(), int(number))

sys.addaudithook(hook)
runpy.run_module("beam_pipeline.benchmark", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["argparse", "beam_pipeline.benchmark.cli", "psutil"])
def test_an_interrupt_during_imports_is_a_line(
    module: str, number: signal.Signals, tmp_path: Path
) -> None:
    with interruptible():
        finished = subprocess.run(
            [sys.executable, "-c", INTERRUPTED_IMPORT, module, str(number.value)],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
        )
    assert finished.returncode == 128 + number
    assert finished.stderr == "error: interrupted; nothing was measured\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_the_rounds_that_were_finished(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    hanging = Hanging(tmp_path, "hangs_later.py", number)
    assert hanging.code == code
    assert "hangs_later" in hanging.out and "100 % (3/3)" in hanging.out
    assert "interrupted, of finished rounds only" in hanging.out
    assert hanging.err == (
        "error: interrupted; the results are saved in a.json "
        "(in part: of the rounds that were finished)\n"
    )
    assert hanging.left == []
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["complete"] is False
    (found,) = report["subjects"][0]["orchestrators"]
    assert [run["purpose"] for run in found["all_runs"]] == ["probe", "named", "warm-up"]
    assert sorted(os.listdir(tmp_path)) == ["a.json", "hanging"]


def test_a_killed_comparison_has_saved_its_rounds_and_leaves_no_process(tmp_path: Path) -> None:
    hanging = Hanging(tmp_path, "hangs_later.py", signal.SIGKILL)
    assert hanging.code == -signal.SIGKILL
    assert json.loads((tmp_path / "a.json").read_text())["complete"] is False
    psutil.wait_procs(hanging.left)


#: One quick comparison, whose results are saved in the current folder.
QUICK = (
    *(sys.executable, "-m", "beam_pipeline.benchmark", "compare", "--compare-dir", str(FOLDER)),
    *("--only=indexed", "--test-case=small", "--iterations=1", "--warm-up=0"),
)


def saved_in(folder: Path) -> str:
    """The path of the results in the folder, which has them all."""
    (path,) = (folder / "benchmark_results").iterdir()
    assert json.loads(path.read_text())["complete"] is True
    return f"benchmark_results/{path.name}"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_shows_the_results(encoding: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        QUICK,
        cwd=tmp_path,
        env=environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C"),
        capture_output=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert "success ↑" in finished.stdout.decode()  # UTF-8, as all that the program prints
    assert finished.stderr.decode() == f"the results are saved in {saved_in(tmp_path)}\n"


@pytest.mark.parametrize(
    ("redirection", "problem"),
    [
        (">/dev/full", "standard output: cannot be written (No space left on device)"),
        (">&-", "standard output: cannot be written (Bad file descriptor)"),
        ("| sh -c 'exec <&-; cat /dev/null'", "standard output: its reader has closed it"),
    ],
)
def test_what_cannot_be_printed_is_saved(redirection: str, problem: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$@" {redirection}', "-", *QUICK],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
    )
    assert finished.returncode == 1
    assert finished.stderr.decode() == (
        f"error: {problem}; the results are saved in {saved_in(tmp_path)}\n"
    )


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&- >out"])
def test_without_standard_error_everything_else_is_as_always(
    redirection: str, tmp_path: Path
) -> None:
    finished = subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "-", *QUICK], cwd=tmp_path, env=environment()
    )
    assert finished.returncode == 0
    saved_in(tmp_path)


def test_what_is_no_orchestrator_and_what_raises_is_named(tmp_path: Path) -> None:
    """Escape sequences of names and errors do not reach the terminal, and are no markup."""
    shutil.copy(PLANTED / "adds_words.py", tmp_path)
    (tmp_path / "[red]\x1b[2Jno.py").write_text("class Orchestrator:\n    pass\n")
    (tmp_path / "_helper.py").write_text("")
    (tmp_path / "[bold]\x1b]0;x\x07raises.py").write_text(
        "class TaskOrchestrator:\n"
        "    def process_text(self, text):\n"
        "        raise ValueError('\\x1b[31m[blue]\\u202e' + str(text)[:0])\n"
    )
    finished = run(
        *("compare", f"--compare-dir={tmp_path}", "--iterations=1", "--test-case=small"),
        "--chart=a.html",
        cwd=tmp_path,
    )
    assert finished.code == 0, finished.err
    printed = finished.out.decode()
    for text in (
        r"not compared: [red]\x1b[2Jno.py does not have a class TaskOrchestrator with a method",
        r"[bold]\x1b]0;x\x07raises: ValueError: \x1b[31m[blue]\u202e",
        r"raises.py:3)",
        "adds_words, first wrong answer (probe text): 2 words differ",
        "'zygomatic'",
        "expected",
        "failed",
    ):
        assert text in printed, text
    assert not set("\x1b\x07\u202e") & {*printed, *finished.err}
    page = Page((tmp_path / "a.html").read_text("utf-8"))
    assert "'zygomatic'" in page.texts
    assert any(text.startswith("not compared: ") for text in page.texts)
