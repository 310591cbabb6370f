"""No run writes what it reads or cannot write, however paths are spelled. Nothing runs for that."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from beam_pipeline.cli.messages import message_of
from beam_pipeline.cli.parsing import parse
from beam_pipeline.errors import UsageError
from tests.support.cli import COMMAND, GIVE_UP, environment
from tests.support.packages import STORE_CLIENTS, without

DEAD_LETTERS = "--on_error=dead_letter"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files and links to them."""
    monkeypatch.chdir(tmp_path)
    for name in ("books/deep", "ext", "other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("t.json", "w.txt", "books/a.txt", "ext/b.txt", "d.jsonl"):
        (tmp_path / name).write_text("cat")
    for shard in range(2):
        (tmp_path / f"s.json-0000{shard}-of-00002").write_text("{}")
    os.link("t.json", "hard.json")
    os.link("s.json-00001-of-00002", "hard_shard.json")
    for link, target in {
        "soft.json": "t.json",
        "softer.json": "soft.json",
        "link": "books",
        "books/l": "../ext",
        "books/f.json": "../other/f.json",
        "ext/back": "../books",
        "soft_shard.json": "s.json-00000-of-00002",
        "loop.json": "loop.json",
        "stdout.json": "/dev/stdout",
        "null.json": "/dev/null",
    }.items():
        os.symlink(target, link)
    os.mkfifo("pipe.json")
    return tmp_path


def error_of(*arguments: str) -> str:
    """The line that the command line gives for wrong paths; nothing has been changed."""
    with pytest.raises(UsageError) as caught:
        parse(arguments)
    return message_of(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "output",
    [
        *("t.json", "./t.json", "books/../t.json", "other//..//t.json", "{0}/t.json"),
        *("soft.json", "softer.json", "hard.json", "link/../t.json"),
        *("file://{0}/t.json", "FILE://localhost{0}/t.json", "file://{0}/%74.json"),
    ],
)
def test_an_output_that_is_an_input_is_refused_however_it_is_spelled(output: str) -> None:
    output = output.format(os.getcwd())
    for options in ([], ["--num_shards=1"]):
        message = error_of("--input=t.json", f"--output={output}", *options)
        assert message.startswith("--output=")
        assert message.endswith("is also --input=t.json")
    assert "--input=soft.json" in error_of("--input=soft.json", f"--output={output}")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        *(("books", "books/c.json"), ("books", "books/new/c.json"), ("books/", "books/c.json")),
        *((".", "c.json"), ("./", "new/deep/c.json"), ("link", "books/c.json")),
        *(("books", "link/c.json"), ("books", "ext/c.json"), ("books", "ext/new/c.json")),
        *(
            ("books/*/*", "ext/c.json"),
            ("books/**", "ext/c.json"),
            ("link/**/*.json", "ext/c.json"),
        ),
        *(("*.json", "c.json"), ("*.jso[n]", "c.json"), ("?.json", "./c.json")),
        *(("**", "a/b/c.json"), ("**/*.json", "c.json"), ("**/*.json", "a/c.json")),
        *(("*/*.json", "new/c.json"), ("{0}/*.json", "c.json"), ("*.json", "{0}/c.json")),
        *(("books", "other/f.json"), ("books/*.json", "other/f.json")),
        ("file://{0}/*.json", "c.json"),
    ],
)
def test_an_output_that_an_input_would_match_the_next_time_is_refused(
    pattern: str, output: str
) -> None:
    pattern, output = pattern.format(os.getcwd()), output.format(os.getcwd())
    assert "would read it the next time" in error_of(f"--input={pattern}", f"--output={output}")
    for options in ([f"--report={output}"], [f"--dead_letters={output}", DEAD_LETTERS]):
        assert "would read it the next time" in error_of(f"--input={pattern}", *options)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        *(("books", "books.json"), ("books", "other/c.json"), ("*.txt", "c.json")),
        *(("books/*", "ext/c.json"), ("*.json", "new/c.json"), ("**/*.txt", "c.json")),
        *(("t.json", "t2.json"), ("books/*.txt", "books/c.json")),
    ],
)
def test_an_output_beside_the_input_is_no_fault(pattern: str, output: str) -> None:
    options = parse([f"--input={pattern}", f"--output={output}"])
    assert (options.input, options.output) == ([pattern], output)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input=*-00001-*", "--output=q.json", "--num_shards=3"], "would read it"),
        # A single file replaces shards, and shards a single file.
        (["--input=s.json-*", "--output=s.json"], "would read it"),
        (["--input=s.json-00000-of-00002", "--output=s.json"], "shards of --output=s.json"),
        (["--input=t.json", "--output=t.json", "--num_shards=2"], "is also --input"),
        (["--input=hard_shard.json", "--output=s.json"], "shards of --output=s.json"),
    ],
)
def test_shards_of_an_output_are_no_input(arguments: list[str], message: str) -> None:
    assert message in error_of(*arguments)


X, SHARD = "--output=x.json", "--output=x.json-00000-of-00002"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([X, "--dead_letters=x.json"], "--dead_letters=x.json: is also --output=x.json"),
        ([X, "--dead_letters=./x.json"], "is also --output=x.json"),
        (["--output=t.json", "--dead_letters=soft.json"], "is also --output=t.json"),
        (["--output=softer.json", "--dead_letters=hard.json"], "is also --output=softer.json"),
        ([X, "--num_shards=2", "--dead_letters=x.json-00000-of-00002"], "shards of --output"),
        ([X, "--dead_letters=x.json-00003-of-00007"], "shards of --output=x.json"),
        (["--output=s.json", "--dead_letters=soft_shard.json"], "shards of --output=s.json"),
        ([X, "--report=x.json"], "--report=x.json: is also --output=x.json"),
        ([X, "--report=x.json/r.json"], "--report=x.json/r.json: is inside --output=x.json"),
        (["--output=x.json/y.json", "--report=x.json"], "is inside --report=x.json"),
        (["--dead_letters=r.json", "--report=r.json"], "is also --dead_letters=r.json"),
        (["--merge=t.json", "--report=t.json"], "--report=t.json: is also --merge=t.json"),
        (["--merge=s.json", "--dead_letters=s.json-00000-of-00002"], "shards of --merge"),
        (["--merge=x.json", SHARD, "--output_format=json"], "shards of --merge=x.json"),
        (["--dictionary=t.json", "--output=hard.json"], "is also --dictionary=t.json"),
        (["--dictionary=gcide+t.json", "--output=t.json"], "is also --dictionary=gcide+t.json"),
        (["--dictionary=t.json", "--report=t.json"], "--report=t.json: is also --dictionary"),
    ],
)
def test_paths_of_two_options_are_two_files(arguments: list[str], message: str) -> None:
    has_dead_letters = any(argument.startswith("--dead_letters") for argument in arguments)
    assert message in error_of("--text=cat", *arguments, *[DEAD_LETTERS] * has_dead_letters)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("output", ["t.json", "./t.json", "soft.json", "hard.json"])
def test_a_result_may_be_added_to_in_place(output: str) -> None:
    assert parse(["--text=cat", "--merge=t.json", f"--output={output}"]).merge == "t.json"
    assert parse(["--text=cat", "--merge=s.json", "--output=s.json", "--num_shards=2"])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["output", "dead_letters", "report"])
def test_dead_letters_that_are_replayed_are_not_overwritten(name: str) -> None:
    os.link("d.jsonl", "d.json")
    options = [DEAD_LETTERS] if name == "dead_letters" else []
    message = error_of("--replay=d.jsonl", f"--{name}=d.json", *options)
    assert message == f"--{name}=d.json: is also --replay=d.jsonl"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        *(("new/", "is a folder"), ("books", "is a folder"), ("books/", "is a folder")),
        *(("link", "is a folder"), ("link/", "is a folder"), ("", "is empty")),
        *(("/dev/null", "regular file"), ("/dev/stdout", "regular file"), ("/dev/fd/1", "stream")),
        *(("/proc/self/fd/1", "stream"), ("stdout.json", "stream"), ("null.json", "regular file")),
        *(("pipe.json", "regular file"), ("t.json/x.json", "is not a folder")),
        *(("loop.json", "leads to itself"), ("~nosuch/x.json", "no home folder ~nosuch")),
        (".x.json.0123456789ab.lock", "temporary file of this program"),
        ("gs://bucket/x.json", "pip install 'beam-anagrams[gcp]'"),
        ("nosuch://bucket/x.json", "nosuch:// is not supported"),
    ],
)
@pytest.mark.parametrize("name", ["output", "dead_letters", "report"])
def test_what_cannot_be_written_is_refused_by_option_and_path(
    name: str, path: str, message: str
) -> None:
    if (name == "report" and not path.endswith(".json")) or (name == "dead_letters" and not path):
        pytest.skip("something else is checked first")
    options = {"dead_letters": [DEAD_LETTERS], "output": ["--output_format=json"]}.get(name, [])
    with without(*STORE_CLIENTS):
        line = error_of("--text=cat", *options, f"--{name}={path}")
    assert line.startswith(f"--{name}={path}: ")
    assert message in line
    if name == "output" and "regular file" in message:
        assert "--output=- writes to standard output" in line


def test_standard_output_that_is_a_file_is_no_path_to_write(folder: Path) -> None:
    """Through the link, the file would be replaced under the feet of the shell."""
    with Path("out").open("wb") as out:
        finished = subprocess.run(
            [*COMMAND, "--text=cat", "--output=/dev/stdout"],
            cwd=folder,
            env=environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=GIVE_UP,
        )
    assert finished.returncode == 2, finished.stderr
    assert b"--output=/dev/stdout: is a stream" in finished.stderr
    assert os.path.islink("/dev/stdout")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        ("--input=- --output=t.json < t.json", "what standard input is read from"),
        ("--input=t.json >> t.json", "--input=t.json: is also where standard output goes"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("--input=/dev/stdin --output=t.json < t.json", "is also --input=/dev/stdin"),
                ("--text=cat --report=r.json > r.json", "r.json: is also where standard output"),
                ("--text=cat --merge=t.json >> t.json", "t.json: is also where standard output"),
            )
        ),
    ],
)
def test_standard_streams_are_files_too(redirection: str, message: str) -> None:
    command = f'exec "$@" {redirection}'
    finished = subprocess.run(
        ["sh", "-c", command, "sh", *COMMAND],
        env=environment(),
        capture_output=True,
        timeout=GIVE_UP,
    )
    assert finished.returncode == 2, finished.stderr
    assert message in finished.stderr.decode()
    assert finished.stderr.count(b"\n") == 1
    assert Path("t.json").read_text() == "cat"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        *(["--input=pipe.json", "--input=./pipe.json"], ["--input=pipe.json", "--merge=pipe.json"]),
        ["--input=ff", "--dictionary=pipe.json"],
        ["--text=cat", "--dictionary=pipe.json", "--dictionary=ff"],
        ["--text=cat", "--dictionary=pipe.json+gcide+ff"],
        ["--text=cat", "--dictionary=gcide", "--dictionary=w.txt+ff", "--merge=file://{0}/ff"],
        ["--replay=ff", "--merge=pipe.json"],
    ],
    ids=" ".join,
)
def test_a_pipe_is_read_for_one_option_only(arguments: list[str]) -> None:
    """Opening it twice would wait forever."""
    os.symlink("pipe.json", "ff")
    line = error_of(*(argument.format(os.getcwd()) for argument in arguments))
    assert "is also --" in line
    assert line.endswith(", and can be read only once; write it to a file first")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("stdin", ["pipe", "file"])
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--input=-", "--dictionary=/dev/stdin"], ["--dictionary=/dev/stdin: ", "--input=-"]),
        (["--input=-", "--input=/dev/stdin"], ["--input=/dev/stdin: ", "--input=-"]),
        (["--input=-", "--merge=/dev/fd/0"], ["--merge=/dev/fd/0: ", "--input=-"]),
        (
            ["--text=cat", "--dictionary=/proc/self/fd/0", "--dictionary=gcide+/dev/stdin"],
            ["--dictionary=gcide+/dev/stdin: ", "--dictionary=/proc/self/fd/0"],
        ),
    ],
    ids=lambda value: " ".join(value),
)
def test_standard_input_is_read_for_one_option_only(
    arguments: list[str], names: list[str], stdin: str
) -> None:
    before = os.dup(0)
    reader, writer = os.pipe() if stdin == "pipe" else (os.open("w.txt", os.O_RDONLY), None)
    try:
        os.dup2(reader, 0)
        line = error_of(*[*arguments, "--output_format=json"])
        assert all(name in line for name in names)
        assert parse(["--input=-", "--dictionary=gcide+w.txt"]).input == ["-"]
    finally:
        os.dup2(before, 0)
        for descriptor in filter(None, (before, reader, writer)):
            os.close(descriptor)


@pytest.mark.usefixtures("folder")
def test_what_can_be_read_twice_may_be_given_twice() -> None:
    for path in ("w.txt", "books", "/dev/null"):
        assert parse([f"--input={path}", f"--input={path}", "--dictionary=w.txt"])
    assert parse(["--input=w.txt", "--dictionary=w.txt", "--dictionary=w.txt+gcide"])


def test_the_home_folder_is_meant_by_every_option(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    options = parse(
        ["--input=~/books/*.txt", "--input=~/t.json", "--dictionary=gcide+~/w.txt", DEAD_LETTERS]
        + [f"--{name}=~/{name}.json" for name in ("output", "dead_letters", "merge", "report")]
    )
    assert options.input == [f"{folder}/books/*.txt", f"{folder}/t.json"]
    dictionary, report = options.dictionary, options.report
    assert dictionary in (f"gcide+{folder}/w.txt", [f"gcide+{folder}/w.txt"])
    assert report in (f"{folder}/report.json", [f"{folder}/report.json"])
    assert options.output == f"{folder}/output.json"
    assert (options.dead_letters, options.merge) == (
        f"{folder}/dead_letters.json",
        f"{folder}/merge.json",
    )
    user = pwd.getpwuid(os.getuid())
    assert parse(["--text=cat", f"--output=~{user.pw_name}/x.json"]).output == (
        f"{user.pw_dir}/x.json"
    )
    (folder / "~nosuch").mkdir()
    assert parse(["--text=cat", "--output=~nosuch/x.json"]).output == "~nosuch/x.json"
    assert parse(["--text=cat", "--output=./~/x.json"]).output == "./~/x.json"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(folder: Path) -> None:
    (folder / "other").chmod(0o500)
    assert f"no permission to write in {folder}/other" in error_of(
        "--text=cat", "--output=other/x.json"
    )


def test_checking_changes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    parse(["--input=books", "--output=new/deep/x.json", "--report=new/r.json"])
    assert sorted(folder.rglob("*")) == before
