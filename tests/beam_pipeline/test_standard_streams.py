"""A run has the right exit code and one line of error, whatever its standard streams are."""

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import beam_pipeline
from beam_pipeline.standard_streams import print_message, printable
from tests.support.cli import COMMAND, GIVE_UP, Here, assert_one_line_error, environment, run

CAT = b'{\n  "act": 1,\n  "cat": 1,\n  "tac": 1\n}\n'
#: Kinds of runs, and the exit code of each where nothing is wrong with its streams.
RUNS = {
    "success": (("--text=cat",), 0),
    "file": (("--text=cat", "--output=result.json"), 0),
    "json log": (("--text=cat", "--log_format=json"), 0),
    "help": (("--help",), 0),
    "case": (("--test_case=small",), 0),
    "failure": (("--input=bad.txt", "--encoding_errors=strict"), 1),
    "usage": (("--txet=cat",), 2),
    "replay": (("replay", "no-such-file"), 2),
    "stdin": (("--input=-",), 0),
}
LOCALES: dict[str, dict[str, Any]] = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "POSIX in latin-1": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
}
STREAMS = ("open", "closed", "full")
PRODUCT = [
    case
    for case in itertools.product(RUNS, ("open", "closed"), STREAMS, STREAMS, LOCALES)
    if case[0] in ("success", "file", "failure", "usage") or case[-1] == "C"
]
#: Success and failure, each state of a stream, and each locale.
FAST = [
    ("success", "open", "full", "open", "C"),
    ("success", "closed", "closed", "closed", "C.UTF-8"),
    ("file", "closed", "open", "full", "POSIX in latin-1"),
    ("usage", "closed", "open", "open", "C"),
]
# Closes the standard streams that its arguments name, and becomes a run.
CLOSE = (
    "import os, sys\nfor n in sys.argv[1]: os.close(int(n))\nos.execv(sys.argv[2], sys.argv[2:])"
)


def assert_right(folder: Path, kind: str, in_: str, out: str, err: str, locale: str) -> None:
    """A run of a kind, whose standard streams are in these states, ends as it should."""
    arguments, code = RUNS[kind]
    (folder / "bad.txt").write_bytes(b"c\xffat")
    (folder / "input").write_bytes(b"cat")
    states = (in_, out, err)
    closed = "".join(str(n) for n, state in enumerate(states) if state == "closed")
    with (
        open(folder / "input", "rb") as stdin,
        open("/dev/full" if out == "full" else folder / "out", "wb") as stdout,
        open("/dev/full" if err == "full" else folder / "err", "wb") as stderr,
    ):
        finished = subprocess.run(
            [sys.executable, "-c", CLOSE, closed, *COMMAND, *arguments],
            cwd=folder,
            env=environment(**LOCALES[locale]),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            timeout=GIVE_UP,
        )
    writes = code == 0 and kind != "file"
    if kind == "stdin" and in_ == "closed":
        code, writes = 2, False
    elif writes and out != "open":
        code = 1
    printed = (folder / "err").read_text("utf-8") if err == "open" else ""
    context = (kind, states, locale, printed)
    assert finished.returncode == code, context
    assert "Traceback" not in printed, context
    if err == "open" and code:
        lines = [line for line in printed.splitlines() if not line.endswith("as expected")]
        assert len(lines) == 1, context
        assert '"event": "error"' in lines[0] or lines[0].startswith("error: "), context
    if out == "open":
        written = (folder / "out").read_bytes()
        if kind in ("success", "json log", "stdin") and code == 0:
            assert written == CAT, context
        assert bool(written) == (writes and code == 0), context
    if kind == "file":
        assert (folder / "result.json").read_bytes() == CAT


@pytest.mark.parametrize("case", FAST, ids=" ".join)
def test_streams_that_are_closed_or_full(
    case: tuple[str, str, str, str, str], tmp_path: Path
) -> None:
    assert_right(tmp_path, *case)


@pytest.mark.slow
@pytest.mark.parametrize("case", PRODUCT, ids=" ".join)
def test_all_streams_in_all_states_and_locales(
    case: tuple[str, str, str, str, str], tmp_path: Path
) -> None:
    assert_right(tmp_path, *case)


NAME = os.fsdecode(b"caf\xe9 \xf0\x9f\x90\x88.txt")


def test_names_that_are_not_utf8_are_read_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    here = Here(capfdbinary)
    monkeypatch.chdir(tmp_path)
    Path(NAME).write_text("cat")
    for path in (NAME, ".", "caf*"):
        assert here("--input", path).out == CAT
    assert here("--text=cat", "--dictionary", NAME).out == b'{\n  "cat": 1\n}\n'
    report = NAME.replace("txt", "html")
    assert here("--text=cat", "--report", report).code == 0
    assert Path(report).exists()
    missing = here("--input", f"no{NAME}")
    assert_one_line_error(missing, "--input=nocaf\\udce9", code=2)
    for option in ("output", "merge", "replay"):
        name = NAME.replace("txt", "json")
        arguments = [] if option == "replay" else ["--text=cat"]
        assert_one_line_error(here(*arguments, f"--{option}", name), f"--{option}=caf", code=2)


@pytest.mark.parametrize("locale", [name for name in LOCALES if name != "C.UTF-8"])
def test_names_and_messages_are_utf8_in_every_locale(locale: str, tmp_path: Path) -> None:
    (tmp_path / "né.txt").write_text("é", "utf-8")
    finished = run(
        *("--input=né.txt", "--dictionary=none", "--output=rés.json", "--report=rép.json"),
        cwd=tmp_path,
        **LOCALES[locale],
    )
    assert finished.code == 0, finished.err
    assert (tmp_path / "rés.json").read_bytes() == '{\n  "é": 1\n}\n'.encode()
    assert "né.txt" in (tmp_path / "rép.json").read_text("utf-8")
    missing = run("--input=nö.txt", cwd=tmp_path, **LOCALES[locale])
    assert_one_line_error(missing, "--input=nö.txt: no file matches", code=2)


def test_a_reader_that_has_gone_is_one_line(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run(
        [*COMMAND, "--text=cat"],
        cwd=tmp_path,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=GIVE_UP,
    )
    os.close(writer)
    assert finished.returncode == 1
    assert finished.stderr == b"error: standard output: its reader has closed it\n"


# Limits the size of files to a megabyte, and becomes the program that its arguments give.
LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_no_room_for_a_copy_of_standard_input_is_one_line(tmp_path: Path) -> None:
    with (tmp_path / "zeros").open("wb") as zeros:
        zeros.truncate(3 << 20)
    with (tmp_path / "zeros").open("rb") as zeros:
        finished = subprocess.run(
            [sys.executable, "-c", LIMIT, *COMMAND, "--input=-"],
            cwd=tmp_path,
            env=environment(TMPDIR=str(tmp_path)),
            stdin=zeros,
            capture_output=True,
            timeout=GIVE_UP,
        )
    assert finished.returncode == 2
    assert finished.stderr.startswith(b"error: --input=-: cannot be read: no room for a copy of it")
    assert finished.stderr.count(b"\n") == 1
    assert os.listdir(tmp_path) == ["zeros"]


@pytest.mark.parametrize("arguments", [("--text=cat",), ("--test_case=small",), ("--help",)])
def test_a_stream_of_the_program_that_calls_gets_the_result(arguments: tuple[str, ...]) -> None:
    """Those of notebooks, and of `redirect_stdout`, take text and have no buffer."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert beam_pipeline.run(list(arguments)) == 0
        assert beam_pipeline.run(["--text=cat", "--output_format=parquet"]) == 1
        assert beam_pipeline.run(["--input=-"]) == 2
    if arguments == ("--text=cat",):
        assert out.getvalue().encode() == CAT
    assert out.getvalue()
    lines = err.getvalue().splitlines()
    assert "error: standard output: takes text only here, and this is none" in lines
    assert any(line.startswith("error: --input=-: cannot be read") for line in lines)


@pytest.mark.slow
def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    program = "import os, sys; os.mkdir('x'); os.chdir('x'); os.rmdir('../x'); "
    program += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    for arguments, code, out, err in (
        (("--text=cat",), 0, CAT, b"done in"),
        (
            ("--text=cat", "--output=o.json"),
            2,
            b"",
            b"error: --output=o.json: the current folder has",
        ),
        (("--input=x.txt",), 2, b"", b"error: --input=x.txt: the current folder"),
    ):
        finished = subprocess.run(
            [sys.executable, "-c", program, *COMMAND[1:], *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            timeout=GIVE_UP,
        )
        assert (finished.returncode, finished.stdout) == (code, out), finished.stderr
        assert finished.stderr.startswith(err)
        assert not code or b"has been removed" in finished.stderr
        assert finished.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "mode", ["in_memory", pytest.param("multi_processing", marks=pytest.mark.slow)]
)
def test_files_called_like_modules_are_not_imported(mode: str, tmp_path: Path) -> None:
    for name in (
        *("transforms", "apache_beam", "numpy", "psutil", "numba", "pyarrow"),
        *("typing", "enum", "signal", "queue", "threading", "json", "logging", "random", "copy"),
    ):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the folder')")
    finished = run("--text=cat", f"--direct_running_mode={mode}", cwd=tmp_path)
    assert (finished.code, finished.out) == (0, CAT), finished.err


def test_a_fault_of_the_program_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("this is \x1b[31mbroken\nand has two lines")

    monkeypatch.setattr("beam_pipeline.cli.command.run_job", broken)
    here = Here(capfdbinary)
    finished = here("--text=cat")
    message = "internal error: TypeError: this is \\x1b[31mbroken and has two lines; please report"
    assert_one_line_error(finished, message, code=1)
    (line,) = here("--text=cat", "--log_format=json").err.splitlines()
    assert json.loads(line)["message"].startswith("internal error: TypeError")


@given(st.text())
def test_what_is_printed_cannot_command_a_terminal(text: str) -> None:
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        print_message(text)
    *lines, end = err.getvalue().split("\n")
    assert end == ""
    assert all(line.isprintable() for line in lines)
    assert len(lines) == text.count("\n") + 1
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


def test_the_log_cannot_command_a_terminal(tmp_path: Path) -> None:
    finished = run("--input=\x1b[2J.txt", "--verbose", cwd=tmp_path)
    assert finished.code == 2
    assert "Traceback" in finished.err and "\\x1b[2J.txt" in finished.err
    assert all(line.isprintable() for line in finished.err.splitlines())


@pytest.mark.parametrize("name", ["\x1b[2J.txt", "[red]a[/red].txt", "\u202etxt.a", "a\x9bm"])
def test_names_cannot_command_a_terminal(
    name: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    here = Here(capfdbinary)
    for option in ("input", "dictionary"):
        finished = here(
            "--text=cat" if option == "dictionary" else "--verbose", f"--{option}", name
        )
        assert finished.code == 2
        error = finished.err.splitlines()[-1]
        assert error.isprintable()
        assert printable(name) in error
