"""Every error that a user can cause is one clear line, and leaves an earlier result as it was."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.beam import of_newest_beam
from tests.support.cli import (
    COMMAND,
    GIVE_UP,
    Here,
    assert_one_line_error,
    environment,
    interruptible,
    run,
)
from tests.support.files import COMPRESSORS

WRONG_USAGE, FAILED = 2, 1


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a result that an earlier run has left."""
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "good.txt").write_text("cat")
    (tmp_path / "subfolder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["--input", "--text"]),
        (["--output=old.json"], ["--input", "--text"]),
        (["--input=good.txt", "--text=cat"], ["--input", "--text"]),
        (["--input=-", "--input=-"], ["--input=-"]),
        (["--input=none.txt"], ["--input", "none.txt"]),
        (["--input=*.pdf"], ["--input", "*.pdf"]),
        (["--input=subfolder"], ["--input", "subfolder"]),
        (["--input=good.txt", "--input=no/**/x"], ["--input", "no/**/x"]),
        (["--input="], ["--input"]),
        (["--text=cat", "--dictionary=nosuch"], ["--dictionary", "nosuch"]),
        (["--text=cat", "--dictionary="], ["--dictionary"]),
        (["--text=cat", "--dictionary=subfolder"], ["--dictionary", "subfolder"]),
        (["--text=cat", "--dictionary=gcide+none"], ["--dictionary", "gcide+none"]),
        (["--text=cat", "--output=x.xml"], ["--output", "x.xml"]),
        (["--text=cat", "--output_format=xml"], ["--output_format", "xml"]),
        (["--text=cat", "--output=x.parquet.gz"], ["--output", "x.parquet.gz"]),
        (["--text=cat", "--output=good.txt/x.json"], ["--output", "good.txt/x.json"]),
        (["--text=cat", "--output=good.txt/y/x.json"], ["--output", "good.txt/y/x.json"]),
        (["--text=cat", "--output=subfolder"], ["--output", "subfolder"]),
        (["--text=cat", "--output=/dev/null"], ["--output", "/dev/null"]),
        (["--text=cat", "--num_shards=3"], ["--num_shards", "3", "--output"]),
        (["--text=cat", "--outptu=x.json"], ["--outptu", "--output"]),
        (["--text=cat", "--outptu", "x.json"], ["--outptu", "--output"]),
        (["--txet=cat"], ["--txet", "--text"]),
        (["--text=cat", "--min-wordlength=3"], ["--min-wordlength", "--min_word_length"]),
        (["--text=cat", "--xyzzyplugh"], ["--xyzzyplugh"]),
        (["--text=cat", "-x"], ["-x"]),
        (["good.txt"], ["good.txt", "--input"]),
        (["--text=cat", "stray"], ["stray"]),
        (["--text", "cat", "dog"], ["dog"]),
        (["--text=cat", "--encoding=utf-9"], ["--encoding", "utf-9"]),
        (["--text=cat", "--encoding=utf-7"], ["--encoding", "utf-7"]),
        (["--text=cat", "--encoding_errors=ignore"], ["--encoding_errors", "ignore"]),
        (["--text=cat", "--normalization=nfc"], ["--normalization", "nfc"]),
        (["--text=cat", "--punctuation=keep"], ["--punctuation", "keep"]),
        (["--text=cat", "--engine=fast"], ["--engine", "fast"]),
        (["--text=cat", "--top=0"], ["--top", "0"]),
        (["--text=cat", "--top", "-1"], ["--top", "-1"]),
        (["--text=cat", "--min_count=many"], ["--min_count", "many"]),
        (["--text=cat", "--num_shards=1.5"], ["--num_shards", "1.5"]),
        (["--text"], ["--text"]),
        (["--test_case=huge"], ["--test_case", "huge"]),
        (["--test_case=small", "--text=cat"], ["--test_case", "--text"]),
        (["--test_case=small", "--output=x.json"], ["--test_case", "--output"]),
        (["--test_case=small", "--output_format=csv"], ["--test_case=small", "--output_format"]),
        (["--test_case=all", "--num_shards=2"], ["--test_case=all", "combined", "--num_shards"]),
        (["--test_case=all", "--on_error=dead_letter"], ["--test_case=all", "combined"]),
        (["--test_case=all", "--encoding_errors=quarantine"], ["--test_case=all", "combined"]),
        (["--test_case=all", "--runner=SparkRunner"], ["--test_case=all", "remote runner"]),
        (["--text=cat", "--runner=NoSuchRunner"], ["--runner", "NoSuchRunner"]),
        (["--text=cat", "--direct_num_workers=two"], ["--direct_num_workers", "two"]),
        (["--text=cat", "--direct_running_mode=fast"], ["--direct_running_mode", "fast"]),
        (
            ["--text=cat", "--direct_running_mode=multi_threading", "--direct_num_workers=2"],
            ["--direct_running_mode=multi_threading", "in_memory"],
        ),
        (["--text=cat", "--output="], ["--output="]),
        (["--text=cat", "--merge="], ["--merge="]),
        (["--text=cat", "--report="], ["--report="]),
        (["--text=cat", "--dead_letters="], ["--dead_letters="]),
        (["--replay="], ["--replay="]),
        (["--text=cat", "--runner=nosuch.mod"], ["--runner=nosuch.mod", "imported"]),
        (["--text=cat", "--runner=os.path"], ["--runner=os.path", "not a runner"]),
        (["--text=cat", "--resource_hint=bogus"], ["resource hint", "bogus"]),
        (["--text=cat", "--pickle_library=dill"], ["pickle_library=dill", "installed"]),
        (["--text=cat", "--type_check_strictness=ALL_REQUIRED"], ["--type_check_strictness"]),
        (["--text=cat", "--performance_runtime_type_check"], ["runtime_type_check"]),
        (["--text=cat", f"--min_count={2**63}"], ["--min_count", str(2**63), f"{2**63 - 1:,}"]),
        (["--text=cat", f"--top={'9' * 5000}"], ["--top", "9999'..."]),
        (["--text=cat", "--direct_num_workers=1001"], ["--direct_num_workers=1001"]),
        (["--text=cat", "--direct_num_workers=-1"], ["--direct_num_workers=-1"]),
    ],
    ids=lambda value: " ".join(value)[:80] or "nothing",
)
def test_wrong_usage_is_one_line_that_names_option_and_value(
    arguments: list[str], names: list[str], folder: Path, here: Here
) -> None:
    before = sorted(folder.rglob("*"))
    assert_one_line_error(here(*arguments), *names, code=WRONG_USAGE)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "old.json").read_text() == "old"


@pytest.mark.usefixtures("folder")
def test_a_value_with_a_line_end_still_makes_one_line(here: Here) -> None:
    for arguments in (["--input=no\nsuch"], ["--text=cat", "--dictionary=no\nsuch"]):
        assert_one_line_error(here(*arguments), code=WRONG_USAGE)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--input=none.txt", "--output=old.json"], ["--input", "none.txt"]),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (["--output=old.json"], ["--input", "--text", "--help"]),
                (["--text=cat", "--outptu=old.json"], ["--outptu", "--output"]),
                (["--text=cat", "--dictionary=nosuch", "--output=old.json"], ["nosuch"]),
                (["--text=cat", "--runner=NoSuchRunner", "--output=old.json"], ["--runner"]),
            )
        ),
    ],
)
def test_wrong_usage_of_the_real_command_is_one_line(
    arguments: list[str], names: list[str], folder: Path
) -> None:
    before = sorted(folder.rglob("*"))
    assert_one_line_error(run(*arguments, cwd=folder), *names, code=WRONG_USAGE)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "old.json").read_text() == "old"


@pytest.mark.parametrize(
    "workers", ["in_memory", pytest.param("multi_processing", marks=pytest.mark.slow)]
)
def test_strict_fails_naming_file_and_byte_offset(workers: str, folder: Path) -> None:
    data = b"some good lines\n" * 1000 + b"c\xffat\n"
    (folder / "bad.txt").write_bytes(data)
    finished = run(
        *("--input", "*.txt", "--encoding_errors=strict", "--output=old.json"),
        *(f"--direct_running_mode={workers}", "--direct_num_workers=2"),
        cwd=folder,
    )
    assert_one_line_error(finished, folder / "bad.txt", "byte 16001:", code=FAILED)
    assert sorted(os.listdir(folder)) == ["bad.txt", "good.txt", "old.json", "subfolder"]
    assert (folder / "old.json").read_text() == "old"


def test_a_truncated_file_fails_the_run_naming_it(folder: Path) -> None:
    whole = COMPRESSORS["gz"](random.Random(8).randbytes(9000))
    (folder / "bad.txt.gz").write_bytes(whole[:-9])
    finished = run("--input=*.txt*", "--output=old.json", cwd=folder)
    assert_one_line_error(finished, folder / "bad.txt.gz", code=FAILED)
    assert sorted(os.listdir(folder)) == ["bad.txt.gz", "good.txt", "old.json", "subfolder"]
    assert (folder / "old.json").read_text() == "old"


@pytest.mark.parametrize("extension", COMPRESSORS)
def test_a_corrupt_file_of_any_kind_fails_the_run_naming_it(
    extension: str, folder: Path, here: Here
) -> None:
    path = folder / f"bad.txt.{extension}"
    path.write_bytes(b"these are words, but they are not compressed")
    assert_one_line_error(here(f"--input={path}"), path, code=FAILED)


def test_an_output_folder_that_has_become_a_file_is_one_line(folder: Path, here: Here) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)

    def create_file_in_the_way() -> None:
        with pipe.open("w") as writer:  # opens when the run, its options checked, reads
            (folder / "new").write_text("a file")
            writer.write("cat")

    writer = threading.Thread(target=create_file_in_the_way, daemon=True)
    writer.start()
    finished = here("--input=pipe", "--output=new/result.json")
    writer.join(60)
    assert_one_line_error(finished, "--output", "new/result.json", code=FAILED)


def test_dead_letters_that_cannot_be_written_are_what_is_blamed(here: Here) -> None:
    finished = here("--text=cat", "--dead_letters=/proc/y", "--on_error=dead_letter")
    assert finished.code in (1, 2)
    assert finished.err.startswith("error: --dead_letters=/proc/y: ")


def test_the_greatest_numbers_are_accepted(here: Here) -> None:
    numbers = ("top", "max_attempts", "min_word_length", "min_class_size", "min_count")
    finished = here("--text=cat", *(f"--{name}={2**63 - 1}" for name in numbers))
    assert (finished.code, finished.out) == (0, b"{}\n"), finished.err


@of_newest_beam  # others decode rows as classes of their own
@pytest.mark.parametrize("option", ["--runtime_type_check", "--no_pipeline_type_check"])
@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_types_can_be_checked_at_run_time_or_not_at_all(
    engine: str, option: str, here: Here
) -> None:
    for arguments in (["--top=2"], ["--dictionary=none"]):
        finished = here("--text=cat", option, f"--engine={engine}", *arguments)
        counted = {"act": 1, "cat": 1} if arguments == ["--top=2"] else {"cat": 1}
        assert finished.code == 0, finished.err
        assert json.loads(finished.out) == counted


KILL_BEFORE_PUBLISHING = """
import os, signal, sys
from beam_pipeline import run
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
run(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_killed_when_its_result_is_written_leaves_the_old_one(folder: Path) -> None:
    arguments = ["--input=good.txt", "--output=old.json"]
    killed = subprocess.run(
        [sys.executable, "-c", KILL_BEFORE_PUBLISHING, *arguments],
        cwd=folder,
        env=environment(),
        timeout=GIVE_UP,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (folder / "old.json").read_text() == "old"
    leftovers = [name for name in os.listdir(folder) if name.startswith(".old.json")]
    assert len(leftovers) == 3  # also its lock and its manifest: it was killed as late as possible
    finished = run(*arguments, cwd=folder)
    assert not [name for name in os.listdir(folder) if name.startswith(".")]
    assert finished.code == 0, finished.err
    assert (folder / "old.json").read_text() == '{\n  "act": 1,\n  "cat": 1,\n  "tac": 1\n}\n'


@pytest.mark.slow
def test_leftovers_of_a_killed_run_are_not_input_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("listen")
    arguments = ["--input=*t*", "--output=r.json"]
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", KILL_BEFORE_PUBLISHING, *arguments],
            cwd=tmp_path,
            env=environment(),
            timeout=GIVE_UP,
        )
    assert not (tmp_path / "r.json").exists()
    assert len(os.listdir(tmp_path)) == 4  # the second has removed what the first has left
    assert run(*arguments, cwd=tmp_path).code == 0
    counts = json.loads((tmp_path / "r.json").read_text())
    assert counts == {"enlist": 1, "listen": 1, "silent": 1, "tinsel": 1}


@pytest.mark.slow
@pytest.mark.parametrize("code", [signal.SIGKILL, signal.SIGINT])
def test_a_run_stopped_while_it_reads_leaves_the_old_result(code: int, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    arguments = [*COMMAND, "--input=pipe", "--output=old.json"]
    with interruptible():
        running = subprocess.Popen(arguments, cwd=folder, env=environment(), stderr=subprocess.PIPE)
    with (folder / "pipe").open("wb", buffering=0) as writer:  # opens when the run reads
        writer.write(b"cat " * 1000)
        running.send_signal(code)
    _, err = running.communicate(timeout=GIVE_UP)
    assert running.returncode == (-code if code == signal.SIGKILL else 130)
    assert b"Traceback" not in err
    assert (folder / "old.json").read_text() == "old"
    assert sorted(os.listdir(folder)) == ["good.txt", "old.json", "pipe", "subfolder"]
    finished = run("--input=good.txt", "--output=old.json", cwd=folder)
    assert finished.code == 0, finished.err
