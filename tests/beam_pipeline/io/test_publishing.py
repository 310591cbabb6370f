"""Files of killed runs are removed, those of running ones are kept, and results never mix."""

import contextlib
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.errors import DeadLettersError, OutputError
from beam_pipeline.io import locks, naming, publishing
from beam_pipeline.io.exchange import Exchange, WrittenFile, identity_of
from tests.support.cli import GIVE_UP, Here, assert_one_line_error, environment
from transforms.stages.retry import Resilience, Retrier
from transforms.stages.totals import Totals

NAMES = ["result.json", "a[b]*?.json", "new\nline.json", "-dash", "sp ace.csv", "x.json.gz", ".dot"]
DEAD_LETTERS = ("--dead_letters=d/d.jsonl", "--on_error=dead_letter")
#: Locks a path, writes temporary files for it, prints a line, and waits.
WRITE_AND_WAIT = """
import sys
from beam_pipeline.io import naming, publishing
from beam_pipeline.io.exchange import Exchange
from transforms.stages.totals import Totals
path, shards = sys.argv[1], int(sys.argv[2])
token = naming.new_token()
with publishing.output_lock(path, token):
    for shard in range(shards):
        final = naming.shard_path(path, shard, shards)
        open(naming.temporary_path(final, token), "w").close()
    publishing.Manifest(Exchange(), Totals()).write(path, token)
    print("written", flush=True)
    sys.stdin.read()
"""


class OtherRun:
    """Another run, in a process of its own, that writes `path`."""

    def __init__(self, path: Path, shards: int = 1):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITE_AND_WAIT, str(path), str(shards)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"written\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> int:
        self._process.communicate(b"", timeout=GIVE_UP)
        return self._process.returncode


@pytest.fixture
def others(tmp_path: Path) -> set[str]:
    """Files that only look as if they belonged to an output."""
    names = {
        *(
            f".{name}.0123456789ab.01234567.tmp"
            for name in ("other.json", "result.jsonl", "result")
        ),
        *(".result.json", ".result.json.swp", ".result.json.xyz.01234567.tmp", "result.json.tmp"),
    }
    for name in names:
        (tmp_path / name).write_text("keep")
    return names


def test_files_of_killed_runs_are_removed_and_those_of_running_ones_kept(
    tmp_path: Path, others: set[str]
) -> None:
    path = tmp_path / "result.json"
    dead, living = OtherRun(path, 3), OtherRun(path, 2)
    dead.kill()
    mine = naming.new_token()
    with publishing.output_lock(str(path), mine):
        left = set(os.listdir(tmp_path)) - others
        assert len(left) == 1 + 4  # our lock; the other's lock, two files, and its manifest
        assert sum(mine in name for name in left) == 1
    assert len(set(os.listdir(tmp_path)) - others) == 4
    assert living.end() == 0
    assert set(os.listdir(tmp_path)) == others
    assert {(tmp_path / name).read_text() for name in others} == {"keep"}


@pytest.mark.parametrize("name", NAMES)
def test_temporary_files_of_any_name_are_removed(name: str, tmp_path: Path) -> None:
    path, other = tmp_path / name, tmp_path / f"{name}x"
    for output_lock in (path, other):
        for number in (1, 3):
            token = naming.new_token()
            for shard in range(number):
                final = naming.shard_path(str(output_lock), shard, number)
                temporary = Path(naming.temporary_path(final, token))
                temporary.write_text("left")
                assert naming.is_temporary(str(temporary))
                assert temporary.parent == tmp_path
    with publishing.output_lock(str(path), naming.new_token()):
        assert len(os.listdir(tmp_path)) == 1 + 4
    assert len(os.listdir(tmp_path)) == 4


def test_a_lock_that_was_removed_as_abandoned_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run removes our lock between its making and its locking."""
    flock, removed = fcntl.flock, list[Path]()

    def late(file: Any, operation: int) -> None:
        if not removed:
            removed.extend(tmp_path.glob(".*.lock"))
            removed[0].unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with publishing.output_lock(str(tmp_path / "result.json"), naming.new_token()):
        assert removed
        assert len(list(tmp_path.glob(".*.lock"))) == 1
    assert os.listdir(tmp_path) == []


def test_a_signal_at_any_line_of_locking_leaves_nothing(tmp_path: Path) -> None:
    path, interrupted_at = tmp_path / "new" / "result.json", 0

    def interrupted(number: int) -> bool:
        """Whether locking has so many lines; the last of them was interrupted."""
        passed = 0

        def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
            nonlocal passed
            if frame.f_code.co_filename not in (publishing.__file__, locks.__file__):
                return None
            passed += event == "line"
            if passed == number:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        try:
            sys.settrace(trace)
            with publishing.output_lock(str(path), naming.new_token()):
                sys.settrace(None)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    while interrupted(interrupted_at + 1):
        interrupted_at += 1
        assert os.listdir(tmp_path) == [], interrupted_at
    assert interrupted_at > 20
    assert os.listdir(tmp_path) == []


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--text=cat"], 0),
        (["--text=cat", "--num_shards=3"], 0),
        (["--text=cat", "--chaos=words=1,latency=0"], 1),
        (["--text=cat", "--chaos=write=1,latency=0"], 1),
        (["--text=cat", "--merge=nosuch.json"], 2),
        (["--text=cat", "--top=0"], 2),
        (["--input=nosuch"], 2),
        (["--text=cat", *DEAD_LETTERS], 0),
        (["--text=cat", *DEAD_LETTERS, "--chaos=write=1,latency=0"], 1),
    ],
)
def test_no_run_leaves_a_lock_or_a_folder_that_is_not_needed(
    arguments: list[str], code: int, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished = here(*arguments, "--output=new/deep/r.json", "--max_attempts=2")
    assert finished.code == code, finished.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".")]
    assert bool(files) == (code == 0)
    assert (tmp_path / "new").exists() == (code == 0)
    assert (tmp_path / "d").exists() == (code == 0 and len(arguments) == 3)


def test_fewer_shards_than_before_leave_no_old_ones(tmp_path: Path, here: Here) -> None:
    for number, name in ((5, "r.json"), (2, "r.json"), (3, "r.json"), (4, "r.jsonl")):
        assert here("--text=cat", f"--output={tmp_path}/{name}", f"--num_shards={number}").code == 0
    names = [f"r.json-{shard:05d}-of-00003" for shard in range(3)]
    names += [f"r.jsonl-{shard:05d}-of-00004" for shard in range(4)]
    assert sorted(os.listdir(tmp_path)) == names


#: Runs again and again until it is killed.
REPEAT = """
import sys
from beam_pipeline import run
while True:
    assert run(sys.argv[1:]) == 0
"""


@pytest.fixture(params=[1, 3])
def rivals(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Two processes that write one output with different texts, over and over."""
    path = tmp_path / "r.json"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", REPEAT, f"--text={text}", f"--output={path}",
             f"--num_shards={request.param}", "--dictionary=none"],
            env=environment(),
            stderr=subprocess.PIPE,
        )
        for text in ("cat dog bird", "one two three four")
    ]  # fmt: skip
    yield path, request.param
    for process in running:
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.mark.slow
def test_two_runs_that_write_one_output_never_mix(rivals: tuple[Path, int], here: Here) -> None:
    path, shards = rivals
    whole = [{"bird", "cat", "dog"}, {"four", "one", "three", "two"}]
    seen: list[set[str]] = []
    deadline = time.monotonic() + 600  # something hangs
    while time.monotonic() < deadline and not all(seen.count(words) >= 5 for words in whole):
        time.sleep(0.02)
        with locks.folder_lock(str(path)):  # a reader that wants all shards of one result
            files = naming.all_shards(str(path)) if shards > 1 else [str(path)]
            if os.path.exists(files[0] if files else path):
                found = [json.loads(Path(file).read_text()) for file in files]
                assert len(found) == shards
                seen.append({word for shard in found for word in shard})
    assert all(words in whole for words in seen)
    assert all(words in seen for words in whole)


def test_a_path_that_cannot_be_locked_is_a_one_line_error(tmp_path: Path, here: Here) -> None:
    (tmp_path / "file").write_text("")
    finished = here("--text=cat", f"--output={tmp_path}/file/r.json")
    assert_one_line_error(finished, "--output", code=2)


RETRIER = Retrier("write", Resilience(max_attempts=1))
TOKEN = "0123456789ab"


def written(final: Path, content: str, token: str) -> WrittenFile:
    """A file that a run has written, and not yet published."""
    temporary = Path(naming.temporary_path(str(final), token))
    temporary.write_text(content)
    return WrittenFile(str(temporary), str(final), identity_of(str(temporary)))


@pytest.mark.parametrize("name", ["r.json", "r.json-00001-of-00002", "dead.jsonl"])
def test_an_error_says_what_cannot_be_published(name: str, tmp_path: Path) -> None:
    output, final, token = tmp_path / "r.json", tmp_path / name, naming.new_token()
    final.mkdir()  # no file can be renamed onto a folder
    error_type = DeadLettersError if name.startswith("dead") else OutputError
    with pytest.raises(error_type, match=f"^{final}: cannot be written"):
        publishing.publish(str(output), [written(final, "", token)], RETRIER, token=token)


def test_dead_letters_that_cannot_be_locked_are_named(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = publishing.output_lock

    def lock_output(path: str, token: str) -> contextlib.AbstractContextManager[None]:
        if path.endswith("dead.jsonl"):
            raise OutputError(f"{path}: cannot be written (on purpose)")
        return lock(path, token)

    monkeypatch.setattr(publishing, "output_lock", lock_output)
    options = ("--on_error=dead_letter", f"--dead_letters={tmp_path}/dead.jsonl")
    finished = here("--text=cat", f"--output={tmp_path}/r.json", *options)
    assert_one_line_error(finished, f"--dead_letters={tmp_path}/dead.jsonl: cannot be", code=1)
    assert os.listdir(tmp_path) == []


def hostile(what: str, path: Path) -> None:
    """Puts something at `path` that is no file of ours."""
    match what:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        case "link to a pipe":
            os.mkfifo(path.parent / "pipe")
            path.symlink_to("pipe")
        case "link to nothing":
            path.symlink_to("nothing")
        case "link to itself":
            path.symlink_to(path.name)


HOSTILE = ["pipe", "folder", "socket", "link to a pipe", "link to nothing", "link to itself"]


@pytest.mark.parametrize("kind", ["lock", "manifest", "01234567.tmp", "01234567.old"])
@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_named_like_our_files_does_not_disturb(
    what: str, kind: str, tmp_path: Path
) -> None:
    path, name = tmp_path / "r.json", f".r.json.{TOKEN}.{kind}"
    hostile(what, tmp_path / name)
    written_first = written(path, "new", TOKEN)
    assert publishing.is_locked(str(path), "ba9876543210") is False
    publishing.write_whole(str(path), b"new")
    assert path.read_text() == "new"
    is_kept = kind == "lock" or what == "folder" or kind.endswith("old")
    assert (name in os.listdir(tmp_path)) == is_kept
    assert os.path.exists(written_first.temporary) == (kind == "lock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_lock_of_another_user_is_left_alone(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    lock = tmp_path / f".r.json.{TOKEN}.lock"
    lock.touch(0o600)
    program = (
        "import os, sys\n"
        "from beam_pipeline.io import locks\n"
        "os.setuid(65534)\n"
        "with locks.if_abandoned(sys.argv[1]) as ended: print(ended)"
    )
    command = [sys.executable, "-c", program, str(lock)]
    assert subprocess.check_output(command, env=environment(), text=True) == "False\n"


HOSTILE_MANIFESTS = {
    "nothing": b"",
    "no JSON": b"\xff{",
    "null": b"null",
    "a list": b"[1, 2]",
    "no fields": b"{}",
    "deep": b"[" * 100_000,
    "a huge number": b"1" * 10_000,
    "numbers": b'{"new": [[1, 2, 3]], "old": [], "totals": {}}',
    "one string": b'{"new": ["abc"], "old": ["de"], "totals": {}}',
    "unknown totals": b'{"new": [], "old": [], "totals": {"counts": {"nonsense": 1}}}',
    "infinite totals": b'{"new": [], "old": [], "totals": {"counts": {"words": Infinity}}}',
}


@pytest.mark.parametrize("content", HOSTILE_MANIFESTS.values(), ids=HOSTILE_MANIFESTS)
def test_a_manifest_that_is_none_is_removed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    Path(naming.manifest_path(str(path), TOKEN)).write_bytes(content)
    with pytest.raises(OutputError, match=rf"^{path}: .*is not a manifest"):
        publishing.Manifest.read(str(path), TOKEN)
    publishing.recover(str(path))
    assert os.listdir(tmp_path) == ["r.json"]
    assert path.read_text() == "old"


def totals_as_json() -> dict[str, Any]:
    return Totals().to_json()


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ([["{0}/secret", "{0}/r.json", "1"]], []),
        ([["{0}/.r.json.0123456789ab.01234567.tmp", "{0}/secret", "1"]], []),
        ([["{0}/.r.json.ba9876543210.01234567.tmp", "{0}/r.json", "1"]], []),
        ([["{0}/.r.json.0123456789ab.01234567.tmp", "{0}/elsewhere/r.json", "1"]], []),
        ([["{0}/.r.json.0123456789ab.01234567.tmp", "{0}/elsewhere/../r.json", "1"]], []),
        ([], [["{0}/secret", "{0}/.secret.0123456789ab.01234567.old"]]),
        ([], [["{0}/secret", "{0}/.r.json.0123456789ab.01234567.old"]]),
        ([], [["{0}/r.json", "{0}/secret"]]),
    ],
)
def test_a_manifest_moves_no_files_but_those_of_its_run(
    new: list[list[str]], old: list[list[str]], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    contents = {name: name for name in ("secret", "r.json", "elsewhere/r.json")}
    for name in contents:
        (tmp_path / name).write_text(name)
    for token in (TOKEN, "ba9876543210"):
        (tmp_path / f".r.json.{token}.01234567.tmp").write_text("evil")
    output = str(tmp_path / "r.json")
    fields = {"new": new, "old": old, "totals": totals_as_json()}
    manifest = json.dumps(fields).replace("{0}", str(tmp_path))
    Path(naming.manifest_path(output, TOKEN)).write_text(manifest)
    with pytest.raises(OutputError, match="files of others"):
        publishing.Manifest.read(output, TOKEN)
    with pytest.raises(OutputError, match="files of others"):
        publishing.finish(output, TOKEN)
    publishing.recover(output)
    assert {name: (tmp_path / name).read_text() for name in contents} == contents


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda v: (
    st.lists(v, max_size=4)
    | st.dictionaries(st.sampled_from(["new", "old", "totals", "counts", "x"]), v, max_size=4)
), max_leaves=20))  # fmt: skip
def test_no_manifest_is_a_traceback(fields: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "r.json")
        Path(naming.manifest_path(output, TOKEN)).write_text(json.dumps(fields))
        with contextlib.suppress(OutputError):
            assert publishing.Manifest.read(output, TOKEN) is not None
        publishing.recover(output)
        assert os.listdir(folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_manifest_of_another_user_is_no_manifest(tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    output.write_text("old")
    exchange = Exchange.plan([written(output, "evil", TOKEN)], (), TOKEN, is_last_alone=True)
    publishing.Manifest(exchange, Totals()).write(str(output), TOKEN)
    os.chown(naming.manifest_path(str(output), TOKEN), 65534, 65534)
    publishing.recover(str(output))
    assert os.listdir(tmp_path) == ["r.json"]
    assert output.read_text() == "old"


@pytest.mark.parametrize("next_one", ["writes", "reads"])
@pytest.mark.parametrize("before", [1, 3])
def test_what_a_killed_run_has_committed_is_published_by_whoever_comes_next(
    before: int, next_one: str, tmp_path: Path
) -> None:
    output = tmp_path / "r.json"
    for shard in range(before):
        Path(naming.shard_path(str(output), shard, before)).write_text("old")
    finals = [Path(naming.shard_path(str(output), shard, 2)) for shard in range(2)]
    stale = [str(path) for path in tmp_path.iterdir()]
    files = [written(final, "new", TOKEN) for final in finals]
    exchange = Exchange.plan(files, stale, TOKEN, is_last_alone=False)
    publishing.Manifest(exchange, Totals()).write(str(output), TOKEN)
    if next_one == "writes":
        with publishing.output_lock(str(output), naming.new_token()):
            assert [path.read_text() for path in finals] == ["new", "new"]
    else:
        publishing.recover(str(output), is_only_read=True)
    assert [path.read_text() for path in finals] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == finals


def test_who_only_reads_leaves_alone_what_was_not_committed(tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    written(output, "new", TOKEN)
    Path(naming.manifest_path(str(output), TOKEN)).write_text("no manifest")
    before = sorted(tmp_path.iterdir())
    publishing.recover(str(output), is_only_read=True)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_lock_that_is_held_for_ever_is_one_error(tmp_path: Path) -> None:
    """Anybody who may read a folder can hold its lock."""
    path = str(tmp_path / "r.json")
    with (
        locks.folder_lock(path),
        pytest.raises(OutputError, match=rf"^{path}: not published: another process has held"),
        locks.folder_lock(path, timeout=0.1),
    ):
        pass


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    """Runners may repeat a bundle that was done, with a client or without."""
    path = tmp_path / "r.json"
    for totals in (None, Totals()):
        token = naming.new_token()
        files = [written(path, "new", token)]
        with publishing.output_lock(str(path), token):
            for _ in range(3):
                publishing.publish(str(path), files, RETRIER, token=token, totals=totals)
                assert path.read_text() == "new"
        assert os.listdir(tmp_path) == ["r.json"]


@pytest.fixture(params=["link", "chain", "dangling", "elsewhere"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A symbolic link, alone in a folder, and the file to which it leads."""
    path, target = tmp_path / "links" / "r.json", tmp_path / "real" / "target"
    path.parent.mkdir()
    if request.param != "elsewhere":  # there, its folder is missing too
        target.parent.mkdir()
    if request.param in ("link", "chain"):
        target.write_text("old")
    path.symlink_to("../second" if request.param == "chain" else "../real/target")
    (tmp_path / "second").symlink_to("real/target")
    return path, target


def files_in(folder: Path) -> dict[str, str]:
    """The contents of all files below a folder; of links, where they lead."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in paths
    }


def shards_of(path: Path, number: int) -> list[Path]:
    return [Path(naming.shard_path(str(path), shard, number)) for shard in range(number)]


@pytest.mark.parametrize("has_client", [False, True])
def test_results_of_any_number_of_shards_replace_each_other_at_a_link(
    has_client: bool, link: tuple[Path, Path], tmp_path: Path
) -> None:
    """The link stays, whatever is published, and however often a bundle is repeated."""
    path, target = link
    links = {name: to for name, to in files_in(tmp_path).items() if not to.startswith("old")}
    totals = Totals() if has_client else None
    for number in (2, 3, 1, 1, 2, 1):
        token = naming.new_token()
        finals = shards_of(path, number)
        with publishing.output_lock(str(path), token):
            files = [written(final, f"new {number}", token) for final in finals]
            for _ in range(3):
                publishing.publish(
                    str(path), files, RETRIER, token=token, num_shards=number, totals=totals
                )
            committed = publishing.Manifest.read(str(path), token)
            assert (committed is not None) == has_client
        published = finals if number > 1 else [target]
        names = {str(final.relative_to(tmp_path)) for final in published}
        assert files_in(tmp_path) == links | dict.fromkeys(names, f"new {number}")


class Stopped(BaseException):
    """The process is interrupted or killed."""


@pytest.mark.parametrize("after", ["finish", "writes", "reads"])
@pytest.mark.parametrize(("number", "done"), [(1, 1), (2, 1), (2, 2), (2, 3)])
def test_what_was_committed_to_at_a_link_is_published_wherever_the_run_was_stopped(
    number: int, done: int, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many files have been renamed; the first of them is the manifest."""
    path, target, token = tmp_path / "r.json", tmp_path / "real" / "target", naming.new_token()
    target.parent.mkdir()
    target.write_text("old")
    path.symlink_to("real/target")
    rename, renamed = os.replace, list[str]()

    def stops(source: str, place: str) -> None:
        if len(renamed) == done:
            raise Stopped
        rename(source, place)
        renamed.append(place)

    finals = shards_of(path, number)
    with contextlib.ExitStack() as stack:
        if after == "finish":
            stack.enter_context(publishing.output_lock(str(path), token))
        else:  # a lock that nobody holds
            Path(naming.lock_path(str(path), token)).touch()
        files = [written(final, "new", token) for final in finals]
        with monkeypatch.context() as patched, pytest.raises(Stopped):
            patched.setattr(os, "replace", stops)
            publishing.publish(
                str(path), files, RETRIER, token=token, num_shards=number, totals=Totals()
            )
        if after == "finish":
            for _ in range(2):
                assert publishing.finish(str(path), token) is not None
    if after == "writes":
        with publishing.output_lock(str(path), naming.new_token()):
            pass
    elif after == "reads":
        publishing.recover(str(path), is_only_read=True)
    names = {str(final.relative_to(tmp_path)) for final in (finals if number > 1 else [target])}
    assert files_in(tmp_path) == {"r.json": "real/target"} | dict.fromkeys(names, "new")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("shard", ["a file", "a link", "nothing"])
def test_a_link_to_a_shard_of_its_own_result_is_refused(
    shard: str, number: int, tmp_path: Path
) -> None:
    path, first = tmp_path / "r.json", tmp_path / "r.json-00000-of-00002"
    path.symlink_to(first.name)
    if shard == "a file":
        first.write_text("old")
    elif shard == "a link":
        (tmp_path / "real").write_text("old")
        first.symlink_to("real")
    before = files_in(tmp_path)
    with (
        pytest.raises(OutputError, match=rf"^{path}: .*link to a shard of its own result"),
        publishing.output_lock(str(path), TOKEN),
    ):
        pass
    files = [written(final, "new", TOKEN) for final in shards_of(path, number)]
    with pytest.raises(OutputError, match="link to a shard of its own result"):
        publishing.publish(str(path), files, RETRIER, token=TOKEN, num_shards=number)
    for file in files:
        os.remove(file.temporary)
    assert files_in(tmp_path) == before


def test_a_result_whose_temporary_file_was_removed_is_not_published(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    file = written(path, "new", TOKEN)
    os.remove(file.temporary)
    with pytest.raises(OutputError, match=rf"^{path}: cannot be written: .*is gone"):
        publishing.publish(str(path), [file], RETRIER, token=TOKEN)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("before", ["it is locked", "it is published", "shards are published"])
def test_a_link_of_another_user_in_a_shared_folder_is_not_followed(
    before: str, tmp_path: Path
) -> None:
    shared, precious = tmp_path / "shared", tmp_path / "precious"
    shared.mkdir()
    shared.chmod(0o1777)
    precious.write_text("precious")
    path = shared / "r.json"

    def plant() -> None:
        path.symlink_to(precious)
        os.lchown(path, 65534, 65534)

    if before == "it is locked":
        plant()
        with pytest.raises(OutputError, match=rf"^{path}: .*symbolic link of user 65534"):
            publishing.write_whole(str(path), b"new")
    else:
        number = 1 if before == "it is published" else 2
        files = [written(final, "new", TOKEN) for final in shards_of(path, number)]
        plant()
        with pytest.raises(OutputError, match=rf"^{path}: .*symbolic link of user 65534"):
            publishing.publish(str(path), files, RETRIER, token=TOKEN, num_shards=len(files))
    assert precious.read_text() == "precious"
    os.lchown(path, os.geteuid(), -1)
    publishing.write_whole(str(path), b"new")
    assert precious.read_text() == "new"
