"""Inputs as users have them: archives, pipes, links, folders of others, URLs, strange names."""

import json
import os
import shlex
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from tests.support.cli import COMMAND, GIVE_UP, Here, assert_one_line_error, environment, run
from tests.support.files import COMPRESSORS
from tests.support.formats import NOT_TEXT, tar
from tests.support.other_user import folder_of_nobody, run_as_nobody
from tests.support.packages import STORE_CLIENTS, without

CORPUS = "--dictionary=none"


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a text in it."""
    (tmp_path / "a.txt").write_text("cat act")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def counts(finished_out: bytes) -> dict[str, int]:
    return dict(json.loads(finished_out))


def test_what_is_not_text_is_one_line_with_a_way_to_its_text(folder: Path, here: Here) -> None:
    (folder / "all.tar.gz").write_bytes(COMPRESSORS["gz"](tar()))
    finished = here("--input=all.tar.gz", CORPUS)
    assert_one_line_error(finished, "--input=", "all.tar.gz: a tar archive inside gzip", code=1)
    assert "(pipe that into --input=-)" in finished.err


@pytest.mark.skipif(sys.platform != "linux", reason="needs GNU tar")
def test_the_way_that_is_shown_leads_there(folder: Path, here: Here) -> None:
    (folder / "my archive.tgz").write_bytes(COMPRESSORS["gz"](tar()))
    message = here("--input=my archive.tgz", CORPUS).err
    command = message.split("`")[1]
    pipeline = f"{command} | {shlex.join([*COMMAND, '--input=-', CORPUS])}"
    finished = subprocess.run(
        ["sh", "-c", pipeline], cwd=folder, env=environment(), capture_output=True, timeout=GIVE_UP
    )
    assert counts(finished.stdout) == {"cat": 100, "sat": 100, "the": 100}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOT_TEXT)
def test_no_format_that_is_not_text_is_counted(name: str, folder: Path, here: Here) -> None:
    (folder / "text").write_bytes(NOT_TEXT[name][0]())
    assert_one_line_error(here("--input=text", CORPUS), NOT_TEXT[name][1], code=1)


def test_an_archive_among_texts_can_become_a_dead_letter(folder: Path, here: Here) -> None:
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("b.txt", "dog god")
    finished = here(
        "--input=.", CORPUS, "--on_error=dead_letter", f"--dead_letters={folder.parent}/d.jsonl"
    )
    assert counts(finished.out) == {"act": 2, "cat": 2}
    (letter,) = (folder.parent / "d.jsonl").read_text().splitlines()
    assert json.loads(letter)["source"] == str(folder / "b.zip")
    assert "zip archive" in json.loads(letter)["cause"]
    (folder / "b.zip").write_text("dog god")  # somebody has extracted it
    assert counts(here("replay", folder.parent / "d.jsonl").out) == {"dog": 2, "god": 2}


@pytest.mark.parametrize("codec", ["gz", pytest.param("zst", marks=pytest.mark.slow)])
def test_standard_input_is_decompressed(codec: str, tmp_path: Path) -> None:
    finished = run("--input=-", CORPUS, cwd=tmp_path, stdin=COMPRESSORS[codec](b"cat act"))
    assert counts(finished.out) == {"act": 2, "cat": 2}


def test_an_archive_on_standard_input_is_wrong_usage(tmp_path: Path) -> None:
    finished = run("--input=-", CORPUS, cwd=tmp_path, stdin=tar())
    assert_one_line_error(finished, "--input=-: a tar archive", "`tar -xOf FILE`", code=2)


def test_a_truncated_standard_input_is_called_so(tmp_path: Path) -> None:
    finished = run("--input=-", CORPUS, cwd=tmp_path, stdin=COMPRESSORS["gz"](b"cat act")[:-3])
    assert_one_line_error(finished, "error: standard input: ", "EOFError", code=1)
    assert "/pipe-" not in finished.err


@pytest.mark.parametrize("name", ["pipe", "-", "p[1]"])
def test_a_pipe_given_by_name_is_read(name: str, folder: Path, here: Here) -> None:
    os.mkfifo(folder / name)
    path = f"./{name}"
    content = COMPRESSORS["gz"](b"dog god")
    writer = threading.Thread(target=(folder / name).write_bytes, args=(content,), daemon=True)
    writer.start()
    assert counts(here(f"--input={path}", CORPUS).out) == {"dog": 2, "god": 2}
    writer.join(60)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["<(printf 'cat act')", "/dev/stdin < a.txt"])
def test_pipes_of_the_shell_are_read_by_workers_that_are_other_processes(
    given: str, folder: Path
) -> None:
    options = [CORPUS, "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    finished = subprocess.run(
        ["bash", "-c", f"{shlex.join([*COMMAND, *options, '--input'])} {given}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=GIVE_UP,
    )
    assert counts(finished.stdout) == {"act": 2, "cat": 2}, finished.stderr


def test_what_a_folder_has_beside_files_is_skipped_and_reported(folder: Path, here: Here) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "broken").symlink_to("nowhere")
    report = folder.parent / "report.json"
    finished = here("--input=.", CORPUS, f"--report={report}")
    assert counts(finished.out) == {"act": 2, "cat": 2}
    assert "skipped: 2 files that are a FIFO, socket, device or broken link" in finished.err
    assert json.loads(report.read_text())["metrics"]["files_skipped"] == 2


def test_a_folder_with_nothing_else_matches_no_file(folder: Path, here: Here) -> None:
    (folder / "empty").mkdir()
    os.mkfifo(folder / "empty/pipe")
    assert_one_line_error(here("--input=empty"), "--input=empty: no file matches", code=2)


def test_a_folder_that_cannot_be_listed_is_an_error_or_a_dead_letter(here: Here) -> None:
    with folder_of_nobody() as folder:
        secret = folder / "books/secret"
        secret.mkdir(parents=True)
        (folder / "books/a.txt").write_text("cat act")
        (secret / "b.txt").write_text("dog god")
        (secret / "b.md").write_text("not asked for")
        secret.chmod(0o700 if os.getuid() == 0 else 0)
        finished = run_as_nobody("--input=books", CORPUS, cwd=folder)
        why = f"--input={secret}: cannot be listed (Permission denied)"
        assert_one_line_error(finished, why, code=1)
        letters = ["--on_error=dead_letter", "--dead_letters=d.jsonl"]
        finished = run_as_nobody("--input=books/**/*.txt", CORPUS, *letters, cwd=folder)
        assert counts(finished.out) == {"act": 2, "cat": 2}, finished.err
        assert "dead letters: 1 in d.jsonl (read: PermissionError: 1)" in finished.err
        secret.chmod(0o755)
        assert counts(here("replay", folder / "d.jsonl").out) == {"dog": 2, "god": 2}


@pytest.mark.slow
def test_what_was_read_of_a_folder_that_cannot_be_listed_is_not_counted_again(here: Here) -> None:
    """Neither by its replay, nor by that of a replay which could not list a folder in it."""
    with folder_of_nobody() as folder:
        sub, deep = folder / "in/sub", folder / "in/sub/deep"
        deep.mkdir(parents=True)
        for path, text in (
            (folder / "in/a.txt", "cat act"),
            (sub / "read.txt", "silent tac"),
            (sub / "left.txt", "listen"),
            (deep / "read.txt", "god"),
            (deep / "left.txt", "dog"),
        ):
            path.write_text(text)
        result, letters = folder / "r.json", folder / "d.jsonl"
        inputs = ("--input=in", f"--input={sub}/read.txt", f"--input={deep}/read.txt")
        whole = run_as_nobody(*inputs, CORPUS, cwd=folder).out
        to_letters = ("--on_error=dead_letter", f"--dead_letters={letters}", f"--output={result}")
        unlisted = 0o711 if os.getuid() == 0 else 0o311  # as root owns it
        sub.chmod(unlisted)
        deep.chmod(unlisted)
        assert run_as_nobody(*inputs, CORPUS, *to_letters, cwd=folder).code == 0
        sub.chmod(0o755)
        replayed = folder / "replayed.jsonl"
        replayed.write_bytes(letters.read_bytes())
        merge = f"--merge={result}"
        assert run_as_nobody("replay", replayed, merge, *to_letters, cwd=folder).code == 0
        deep.chmod(0o755)
        assert here("replay", letters, merge).out == whole


def test_a_file_of_others_in_a_folder_is_an_error_that_names_it() -> None:
    with folder_of_nobody() as folder:
        (folder / "books").mkdir()
        (folder / "books/b.txt").write_text("dog god")
        (folder / "books/b.txt").chmod(0o600 if os.getuid() == 0 else 0)
        finished = run_as_nobody("--input=books", CORPUS, cwd=folder)
        assert_one_line_error(finished, f"{folder}/books/b.txt", "Permission denied", code=1)


@pytest.mark.parametrize(
    "name",
    [
        *("Books [2023]", "x\ny"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("*", "a b", "caf\udce9", "--text")
        ),
    ],
)
def test_strange_names_are_names_wherever_a_path_is_given(
    name: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path(f"{name}.txt").write_text("cat act")
    Path(f"{name}.json").write_text('["cat", "act"]')
    for given in (f"{name}.txt", "*.txt", f"{folder}/*.txt"):
        finished = here(f"--input={given}", f"--dictionary={name}.json")
        assert counts(finished.out) == {"act": 2, "cat": 2}, finished.err
        assert "Warning" not in finished.err
    if not name.isprintable() and "\n" not in name:
        return  # the name of an output has to be valid UTF-8
    output = f"result {name}.json"
    arguments = [f"--dictionary={name}.json", f"--output={output}"]
    assert here(f"--input={name}.txt", *arguments, "--num_shards=2").code == 0
    again = [f"--merge={output}", "--output=merged.json", f"--dictionary={name}.json"]
    finished = here(f"--input={name}.txt", *again)
    assert finished.code == 0, finished.err
    assert counts(Path("merged.json").read_bytes()) == {"act": 4, "cat": 4}


def test_urls_of_local_files_are_paths(folder: Path, here: Here) -> None:
    url = folder.as_uri()
    (folder / "my words.txt").write_text("cat\nact")
    finished = here(
        *(f"--input={url}/a.txt", f"--dictionary={url}/my%20words.txt"),
        *(f"--output={url}/new/r.json", f"--report=file://localhost{folder}/r.html"),
        *("--on_error=dead_letter", f"--dead_letters={url}/d.jsonl"),
    )
    assert finished.code == 0, finished.err
    assert (folder / "r.html").exists()
    assert (folder / "d.jsonl").exists()
    merged = here(
        f"--input={url}/*.txt",
        f"--dictionary={url}/my%20words.txt",
        f"--merge={url}/new/r.json",
    )
    assert counts(merged.out) == {"act": 6, "cat": 6}
    assert here("replay", f"{url}/d.jsonl").out == b"{}\n"


_NEEDS = {
    "gs://b/k.json": "pip install 'beam-anagrams[gcp]'",
    "s3://b/k.json": "pip install 'beam-anagrams[aws]'",
    "hdfs://b/k.json": "pip install 'beam-anagrams[hadoop]'",
    "azfs://b/k.json": "pip install 'beam-anagrams[azure]'",
    "abfs://b/k.json": "write azfs://",
    "https://example.org/k.json": "`curl -L https://example.org/k.json`",
    "nosuch://b/k.json": "nosuch:// is not supported",
    "file://host/k.json": "file:///",
}


@pytest.mark.parametrize("url", _NEEDS)
@pytest.mark.parametrize(
    "option", ["input", "output", "dictionary", "dead_letters", "merge", "report"]
)
def test_a_url_without_a_filesystem_is_one_line_that_says_what_to_do(
    option: str, url: str, folder: Path, here: Here
) -> None:
    arguments = [f"--{option}={url}"] + (["--text=cat"] if option != "input" else [])
    if option != "dead_letters":
        arguments.append("--dead_letters=d.jsonl")
    with without(*STORE_CLIENTS):
        finished = here(*arguments, "--encoding_errors=quarantine")
    assert_one_line_error(finished, f"--{option}={url}: ", _NEEDS[url], code=2)


def test_a_file_with_a_byte_order_mark_is_read_as_it_says(folder: Path, here: Here) -> None:
    (folder / "u16.txt").write_bytes("\ufeffcat act café".encode("utf-16-le"))
    (folder / "u32.txt").write_bytes("\ufeffcat act café".encode("utf-32-be"))
    expected = {"act": 6, "café": 2, "cat": 6}
    for engine in ("vectorized", "elementwise"):
        finished = here("--input=*.txt", CORPUS, f"--engine={engine}")
        assert counts(finished.out) == expected
        assert "not valid text" not in finished.err


def test_dead_letters_of_a_file_with_a_byte_order_mark_are_counted_later(
    folder: Path, here: Here
) -> None:
    text = "cat act\ndog \ud800 god\n"
    (folder / "a.txt").write_bytes(text.encode("utf-16", "surrogatepass"))
    letters = f"--dead_letters={folder.parent}/d.jsonl"
    finished = here("--input=a.txt", CORPUS, "--encoding_errors=quarantine", letters)
    assert counts(finished.out) == {"act": 2, "cat": 2}
    finished = here("replay", f"{folder.parent}/d.jsonl", "--encoding_errors=replace")
    assert counts(finished.out) == {"dog": 2, "god": 2}
