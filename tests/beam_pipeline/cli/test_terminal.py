"""Whole runs on a terminal: what a person sees there, while they go on and when they are over."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.support.terminal import CTRL_C, CTRL_D, Terminal

CAT = ["{", '  "act": 1,', '  "cat": 1,', '  "tac": 1', "}"]
DONE = r"done in \d+\.\d s on FnApiRunner \(in_memory, \d (worker|thread)s?\)"
LIVE_LINE = re.compile(r"^(starting|finishing|reading [━#\d])")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small text, a text of some megabytes, and a pipe without a writer."""
    (tmp_path / "small.txt").write_text("cat")
    (tmp_path / "large.txt").write_text("the cat sat and listened\n" * 100_000)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def assert_no_line(terminal: Terminal, *, ever: bool = False) -> None:
    """The live line is gone, or was never there, and the cursor is to be seen."""
    for lines in terminal.screens if ever else [terminal.seen()]:
        assert not any(map(LIVE_LINE.match, lines))
    assert terminal.is_cursor_shown


@pytest.mark.parametrize("arguments", [[], ["--input=small.txt"]], ids=["text", "file"])
def test_a_small_text_is_its_result_and_one_line(arguments: list[str], folder: Path) -> None:
    with Terminal(*(arguments or ["--text=cat"]), cwd=folder, columns=100) as terminal:
        assert terminal.wait() == 0
        *result, last = terminal.seen()
        assert result == CAT
        assert re.fullmatch(DONE, last)
        assert_no_line(terminal)


def test_the_line_says_where_result_and_reports_are(folder: Path) -> None:
    arguments = ["--text=cat", "--output=c.json", "--num_shards=2", "--report=r.json"]
    with Terminal(*arguments, "--report=r.html", cwd=folder, columns=200) as terminal:
        assert terminal.wait() == 0
        (line,) = terminal.seen()
    files = r"; result in 2 shards, c.json-00000-of-00002 to c.json-00001-of-00002, "
    assert re.fullmatch(f"{DONE}{files}reports in r.json and r.html", line)
    assert json.loads((folder / "r.json").read_text())["status"] == "done"
    assert "<html" in (folder / "r.html").read_text()


@pytest.mark.parametrize(
    "columns",
    [200, pytest.param(40, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.slow)],
)
def test_a_large_text_has_a_table_below_its_result(columns: int, folder: Path) -> None:
    with Terminal("--input=large.txt", "--top=1", cwd=folder, columns=columns) as terminal:
        assert terminal.wait() == 0
        seen = terminal.seen()
        assert seen[0] == "{"
        assert seen[2] == "}"
        names = [line.split("  ")[0] for line in seen if re.match("[a-z]+ ", line)]
        assert {"runner", "input", "words", "time", "throughput"} <= set(names)
        assert "2.5 MB in 1 file" in " ".join(" ".join(seen).split())
        assert_no_line(terminal)


def test_the_line_is_gone_before_the_result_is_printed(folder: Path) -> None:
    with Terminal("--input=pipe", cwd=folder) as terminal:
        terminal.wait_for("starting")
        assert terminal.is_cursor_shown
        (folder / "pipe").write_text("cat")
        assert terminal.wait() == 0
        assert terminal.seen()[:-1] == CAT
        assert_no_line(terminal)


@pytest.mark.slow
def test_the_line_is_gone_also_with_worker_processes(folder: Path) -> None:
    arguments = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    with Terminal("--input=pipe", *arguments, cwd=folder) as terminal:
        terminal.wait_for("starting")
        (folder / "pipe").write_text("cat")
        assert terminal.wait() == 0
        assert terminal.seen()[:-1] == CAT
        assert_no_line(terminal)


@pytest.mark.parametrize("columns", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_the_line_is_gone_before_an_error_is_printed(columns: int, folder: Path) -> None:
    arguments = ["--input=pipe", "--encoding_errors=strict"]
    with Terminal(*arguments, cwd=folder, columns=columns) as terminal:
        terminal.wait_for("starting")
        (folder / "pipe").write_bytes(b"\xff")
        assert terminal.wait() == 1
        assert terminal.seen()[0].startswith("error: ")
        assert "--encoding_errors=replace" in "".join(terminal.seen())
        assert_no_line(terminal)


def test_ctrl_c_leaves_one_line(folder: Path) -> None:
    with Terminal("--input=pipe", cwd=folder) as terminal:
        terminal.wait_for("starting")
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
        assert [line.removeprefix("^C") for line in terminal.seen()] == [
            "error: interrupted; nothing was published"
        ]
        assert_no_line(terminal)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(100, 30), (30, 100)])
def test_nothing_is_left_when_the_terminal_is_resized(
    before: int, after: int, folder: Path
) -> None:
    with Terminal("--input=pipe", cwd=folder, columns=before) as terminal:
        terminal.wait_for("starting")
        terminal.resize(after, 40)
        terminal.wait_for("starting", again=True)
        (folder / "pipe").write_text("cat")
        assert terminal.wait() == 0
        assert terminal.seen()[: len(CAT)] == CAT
        assert_no_line(terminal)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--no_progress"], {}),
        (["--verbose", "--dictionary=none"], {}),
        (["--log_format=json"], {}),
        ([], {"TERM": "dumb"}),
        (["--progress"], {"TERM": "dumb"}),
    ],
    ids=str,
)
def test_no_line_is_shown_where_it_is_not_wanted(
    arguments: list[str], variables: dict[str, str], folder: Path
) -> None:
    # Nobody writes to the pipe before the time at which the line would have been shown.
    arguments = ["--input=pipe", *arguments]
    with Terminal(*arguments, cwd=folder, columns=400, variables=variables) as terminal:
        with (folder / "pipe").open("w") as pipe:  # opens when the run reads
            terminal.wait_seconds(3)
            pipe.write("cat")
        assert terminal.wait() == 0
        assert_no_line(terminal, ever=True)


@pytest.mark.slow
def test_the_line_has_no_colors_with_no_color(folder: Path) -> None:
    with Terminal("--input=pipe", "--top=1", cwd=folder, variables={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("starting")
        (folder / "pipe").write_bytes((folder / "large.txt").read_bytes())
        assert terminal.wait() == 0
        assert_no_line(terminal)
        assert not re.search(rb"\x1b\[[\d;]*3\d[\d;]*m", terminal.sent)


def test_a_line_for_a_result_that_goes_elsewhere(folder: Path) -> None:
    with Terminal("--input=pipe", cwd=folder, stdout=folder / "out") as terminal:
        terminal.wait_for("starting")
        (folder / "pipe").write_text("cat")
        assert terminal.wait() == 0
        (last,) = terminal.seen()
        assert re.fullmatch(DONE, last)
    assert (folder / "out").read_text().splitlines() == CAT


def test_no_line_where_standard_error_goes_elsewhere(folder: Path) -> None:
    with Terminal("--input=large.txt", "--top=1", cwd=folder, stderr=folder / "err") as terminal:
        assert terminal.wait() == 0
        assert len(terminal.seen()) == 3
    lines = (folder / "err").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["input", "words"]
    assert re.match(DONE, lines[-1])
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("name", ["-", pytest.param("/dev/stdin", marks=pytest.mark.slow)])
def test_typed_text_ends_with_one_ctrl_d(name: str, folder: Path) -> None:
    with Terminal(f"--input={name}", cwd=folder) as terminal:
        terminal.wait_for_line("reading standard input; end with Ctrl-D")
        terminal.press("xyzzy\n")
        terminal.wait_for_line("xyzzy")
        terminal.wait_seconds(3)  # a live line would have been shown
        assert_no_line(terminal, ever=True)
        terminal.press(f"cat\n{CTRL_D}")
        assert terminal.wait() == 0
        notice, *typed = terminal.seen()
        assert notice.startswith("reading standard input; end with Ctrl-D")
        assert typed[:2] == ["xyzzy", "cat"]
        assert [line for line in typed if line in CAT] == CAT
        assert_no_line(terminal)


@pytest.mark.slow
def test_typing_can_be_interrupted(folder: Path) -> None:
    with Terminal("--input=-", "--progress", cwd=folder) as terminal:
        terminal.wait_for_line("reading standard input")
        terminal.press("the")
        terminal.wait_for("the")
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
        assert terminal.seen()[-1].endswith("error: interrupted; nothing was published")
        assert_no_line(terminal)


def test_nothing_is_said_of_standard_input_that_is_a_file(folder: Path) -> None:
    with Terminal("--input=-", cwd=folder, stdin=folder / "small.txt") as terminal:
        assert terminal.wait() == 0
        assert terminal.seen()[:-1] == CAT


def test_what_is_asked_of_the_program_is_answered_on_standard_output(folder: Path) -> None:
    with Terminal("--version", cwd=folder) as terminal:
        assert terminal.wait() == 0
        (line,) = terminal.seen()
    assert re.fullmatch(r"beam-anagrams [\d.]+, Apache Beam [\d.]+, Python [\d.]+\S*", line)
