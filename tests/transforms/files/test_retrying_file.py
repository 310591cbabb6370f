"""A file, compressed or not, is read whole in spite of passing faults, or is an error."""

import errno
import functools
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.localfilesystem import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cli import Here, assert_one_line_error
from tests.support.files import COMPRESSORS
from transforms.files.compression import open_decompressed, open_raw
from transforms.files.retrying_file import RetryingFile
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError

TEXT = b"".join(b"line %d of the cat\n" % number for number in range(2_000))
QUICK = Resilience(max_attempts=4, initial_backoff=0, max_backoff=0)


class Faulty(io.RawIOBase):
    """A file whose reads and seeks fail when `fails` returns true."""

    def __init__(self, file: BinaryIO, fails: Callable[[], bool]):
        self._file, self._fails = file, fails

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        fails = self._fails()
        data = self._file.read(size)  # before the fault, which leaves the file ahead of its reader
        if fails:
            raise OSError(errno.EIO, "input/output error")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if self._fails():
            raise OSError(errno.EIO, "input/output error")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def faulty_file(file: BinaryIO, fails: Callable[[], bool]) -> BinaryIO:
    return cast(BinaryIO, Faulty(file, fails))


def sometimes(rate: float, seed: int = 1) -> Callable[[], bool]:
    generator = random.Random(seed)
    return lambda: generator.random() < rate


def opened(path: Path, fails: Callable[[], bool], retrier: Retrier) -> BinaryIO:
    def open_file() -> BinaryIO:
        if fails():
            raise TimeoutError("no answer")
        return faulty_file(open_raw(str(path)), fails)

    return open_decompressed(
        str(path), lambda path: cast(BinaryIO, RetryingFile(open_file, retrier))
    )


@pytest.mark.parametrize("extension", ["", *COMPRESSORS])
def test_a_file_is_read_whole_in_spite_of_faults(extension: str, tmp_path: Path) -> None:
    path = tmp_path / (f"text.{extension}" if extension else "text")
    path.write_bytes(COMPRESSORS[extension](TEXT) if extension else TEXT)
    retrier = Retrier("read", Resilience(max_attempts=50, initial_backoff=0, max_backoff=0))
    retries = 0
    for size in (1 << 20, 1000):
        for seed in range(5):
            with opened(path, sometimes(0.4, seed), retrier) as file:
                pieces = list(iter(functools.partial(file.read, size), b""))
            assert b"".join(pieces) == TEXT
        retries += retrier.drain_counts()[0]
    assert retries


@given(
    st.binary(max_size=60),
    st.lists(
        st.one_of(
            st.integers(-1, 20),
            st.tuples(st.integers(0, 70)),
            st.tuples(st.just(0), st.sampled_from([io.SEEK_CUR, io.SEEK_END])),
        ),
        max_size=12,
    ),
    st.integers(0, 1 << 30),
)
def test_position_is_kept_whatever_is_read_and_sought(
    data: bytes, steps: list[int | tuple[int, ...]], seed: int
) -> None:
    """A step that is a number reads so many bytes, a tuple has the arguments of a seek."""
    fails, whole = sometimes(0.3, seed), io.BytesIO(data)
    retrier = Retrier("read", Resilience(max_attempts=60, initial_backoff=0, max_backoff=0))
    with RetryingFile(lambda: faulty_file(io.BytesIO(data), fails), retrier) as file:
        for step in steps:
            if isinstance(step, tuple):
                assert file.seek(*step) == whole.seek(*step)
            else:
                assert file.read(step) == whole.read(step)
            assert file.tell() == whole.tell()


def test_a_lasting_fault_is_reported_with_the_number_of_attempts(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    retrier = Retrier("read", QUICK)
    with pytest.raises(RetriesExhaustedError) as caught:
        opened(path, lambda: True, retrier)
    assert (caught.value.stage, caught.value.attempts) == ("read", 4)
    assert isinstance(caught.value.cause, TimeoutError)
    assert retrier.drain_counts() == (3, 0)


def test_a_file_that_disappears_is_reported_without_more_attempts(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(10 * TEXT)
    fails = iter([False, False, True, False])
    retrier = Retrier("read", QUICK)
    with opened(path, lambda: next(fails), retrier) as file:
        assert (10 * TEXT).startswith(file.read(1 << 20))  # what was read when it was opened
        path.unlink()
        with pytest.raises(RetriesExhaustedError) as caught:
            file.read(10)
    assert isinstance(caught.value.cause, FileNotFoundError)
    assert retrier.drain_counts() == (1, 0)


class FaultyFileSystem(LocalFileSystem):
    """Local files under another scheme, on a filesystem that fails when `fails` returns true."""

    fails = staticmethod(lambda: False)

    @classmethod
    def scheme(cls) -> str:
        return "faulty"

    def split(self, path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return folder, name

    def exists(self, path: str) -> bool:
        if self.fails():
            raise TimeoutError("no answer")
        return LocalFileSystem(None).exists(path.removeprefix("faulty://"))

    def metadata(self, path: str) -> FileMetadata:
        if self.fails():
            raise TimeoutError("no answer")
        found = LocalFileSystem(None).metadata(path.removeprefix("faulty://"))
        return FileMetadata(path, found.size_in_bytes, found.last_updated_in_seconds)

    def match(self, patterns: list[str], limits: list[int] | None = None) -> list[MatchResult]:
        if self.fails():
            raise OSError(errno.EIO, "input/output error")
        local = [pattern.removeprefix("faulty://") for pattern in patterns]
        return [
            MatchResult(
                "faulty://" + result.pattern,
                [
                    FileMetadata("faulty://" + file.path, file.size_in_bytes)
                    for file in result.metadata_list
                ],
            )
            for result in LocalFileSystem(None).match(local, limits)
        ]

    def open(self, path: str, *arguments: object, **how: object) -> BinaryIO:
        if self.fails():
            raise TimeoutError("no answer")
        local = super().open(path.removeprefix("faulty://"), *arguments, **how)
        return faulty_file(local, self.fails)


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.fixture
def faulty(tmp_path: Path) -> str:
    """Makes a folder of texts and returns a pattern for them on the faulty filesystem."""
    for extension, compress in COMPRESSORS.items():
        (tmp_path / f"text.{extension}").write_bytes(compress(TEXT))
    (tmp_path / "text").write_bytes(TEXT)
    assert FileSystems.get_filesystem("faulty:///") is not None
    return f"faulty://{tmp_path}/text*"


@pytest.mark.slow
def test_a_run_over_a_faulty_filesystem_loses_nothing(
    faulty: str, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = here(f"--input={tmp_path}/text*")
    assert clean.code == 0
    assert here(f"--input={faulty}").out == clean.out
    calls = iter(range(1 << 30))  # the pattern is expanded before the run, without retries
    generator = sometimes(0.3)
    monkeypatch.setattr(
        FaultyFileSystem, "fails", staticmethod(lambda: next(calls) > 3 and generator())
    )
    finished = here(f"--input={faulty}", "--max_attempts=30")
    assert finished.code == 0, finished.err
    assert finished.out == clean.out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shards"), [("r.json", 1), ("r.csv.gz", 3), ("r.parquet", 2)])
def test_a_result_on_a_faulty_filesystem_can_be_added_to(
    name: str, shards: int, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "--text=cat act dog software stream listen"
    assert here(text, f"--output={tmp_path}/{name}", f"--num_shards={shards}").code == 0
    clean = here("--text=cat", f"--merge={tmp_path}/{name}")
    failed: list[int] = []
    generator = sometimes(0.2)

    def fails() -> bool:
        if generator():
            failed.append(1)
            return True
        return False

    monkeypatch.setattr(FaultyFileSystem, "fails", staticmethod(fails))
    finished = here("--text=cat", f"--merge=faulty://{tmp_path}/{name}", "--max_attempts=40")
    assert finished.code == 0, finished.err
    assert finished.out == clean.out
    assert failed
    monkeypatch.setattr(FaultyFileSystem, "fails", staticmethod(lambda: True))
    finished = here("--text=cat", f"--merge=faulty://{tmp_path}/{name}", "--max_attempts=2")
    assert_one_line_error(finished, f"{name}: ", "stage read failed after 2 attempts", code=2)


def test_dead_letters_on_a_faulty_filesystem_are_counted(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letters = (
        "--on_error=dead_letter",
        "--max_attempts=1",
        f"--dead_letters={tmp_path}/d.jsonl",
    )
    assert here("--text=cat dog", *dead_letters, "--chaos=permutations=1,latency=0").code == 0
    clean = here("replay", f"{tmp_path}/d.jsonl")
    monkeypatch.setattr(FaultyFileSystem, "fails", staticmethod(sometimes(0.3)))
    finished = here("replay", f"faulty://{tmp_path}/d.jsonl", "--max_attempts=40")
    assert finished.code == 0, finished.err
    assert finished.out == clean.out != b"{}\n"


def test_a_filesystem_that_fails_for_good_is_one_line(
    faulty: str, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1 << 30))
    monkeypatch.setattr(FaultyFileSystem, "fails", staticmethod(lambda: next(calls) > 3))
    finished = here(f"--input={faulty}", "--max_attempts=2")
    assert_one_line_error(finished, "faulty:", "stage read failed after 2 attempts", code=1)
