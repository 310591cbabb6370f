"""The folder for temporary files: of runs that end, that go on, and that are killed."""

import contextlib
import errno
import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipeline.io import locks, scratch
from tests.support.cli import COMMAND, GIVE_UP, environment, run
from tests.support.other_user import NOBODY, folder_of_nobody, run_as_nobody

PREFIX = f"anagrams-{platform.node()}-"


def test_the_folder_of_a_run_that_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    _folder_of_killed_run(tmp_path)
    assert b"cat" in _copy_of_input(tmp_path).read_bytes()
    assert run("--text=dog", cwd=tmp_path, TMPDIR=str(tmp_path)).code == 0
    assert os.listdir(tmp_path) == []


def test_the_folder_of_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    with _waiting_for_input(tmp_path) as running:
        assert run("--text=dog", cwd=tmp_path, TMPDIR=str(tmp_path)).code == 0
        assert b"cat" in _copy_of_input(tmp_path).read_bytes()
        out, err = running.communicate(timeout=GIVE_UP)
    assert (running.returncode, b'"act": 1' in out) == (0, True), err
    assert os.listdir(tmp_path) == []


def test_the_folder_of_a_run_on_another_machine_is_left_alone(tmp_path: Path) -> None:
    folder = _folder_of_killed_run(tmp_path)
    other = folder.rename(tmp_path / folder.name.replace(PREFIX, "anagrams-other-"))
    assert run("--text=dog", cwd=tmp_path, TMPDIR=str(tmp_path)).code == 0
    assert list(tmp_path.iterdir()) == [other]


def test_a_folder_that_a_user_has_given_such_a_name_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / f"{PREFIX}2026"
    mine.mkdir()
    (mine / "notes.txt").write_text("cat")
    (tmp_path / f"{PREFIX}file").write_text("act")
    (tmp_path / f"{PREFIX}link").symlink_to(mine)
    before = sorted(tmp_path.rglob("*"))
    assert run("--text=dog", cwd=tmp_path, TMPDIR=str(tmp_path)).code == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
    folder = _folder_of_killed_run(tmp_path)
    os.chown(folder, NOBODY, NOBODY)
    assert run("--text=dog", cwd=tmp_path, TMPDIR=str(tmp_path)).code == 0
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_listed_is_enough() -> None:
    with folder_of_nobody() as folder:
        folder.chmod(0o300)
        result = run_as_nobody("--text=cat", cwd=folder)
        folder.chmod(0o700)
        assert (result.code, b'"act": 1' in result.out) == (0, True), result.err


def test_a_folder_without_locks_is_removed_only_by_its_own_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with scratch.scratch_folder() as first:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # otherwise one is in the other
        with scratch.scratch_folder() as second:
            assert sorted(tmp_path.iterdir()) == sorted(map(Path, (first, second)))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    @contextlib.contextmanager
    def lock_later(lock: str) -> Iterator[None]:
        made.append(os.path.dirname(lock))
        if len(made) < 3:
            shutil.rmtree(made[-1])
        with locks.run_lock(lock):
            yield

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "run_lock", lock_later)
    with scratch.scratch_folder() as folder:
        assert folder == made[2]
        assert list(tmp_path.iterdir()) == [Path(folder)]
    assert list(tmp_path.iterdir()) == []


def _folder_of_killed_run(temporary: Path) -> Path:
    with _waiting_for_input(temporary) as running:
        running.kill()
        running.wait()
    (folder,) = temporary.iterdir()
    return folder


@contextlib.contextmanager
def _waiting_for_input(temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has copied "cat" from its standard input, and waits for more."""
    running = subprocess.Popen(
        [*COMMAND, "--input=-"],
        cwd=temporary,
        env=environment(TMPDIR=str(temporary)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with running:
        try:
            assert running.stdin
            running.stdin.write(b"cat\n" * 10_000)  # more than is kept in memory
            running.stdin.flush()
            deadline = time.monotonic() + GIVE_UP
            while not _is_copied(temporary):
                assert running.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
            yield running
        finally:
            running.kill()


def _is_copied(temporary: Path) -> bool:
    return any(path.stat().st_size for path in temporary.glob(f"{PREFIX}*/pipe-*/*"))


def _copy_of_input(temporary: Path) -> Path:
    (copy,) = temporary.glob(f"{PREFIX}*/pipe-*/*")
    return copy
