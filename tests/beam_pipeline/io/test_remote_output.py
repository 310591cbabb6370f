"""Results on a filesystem with no links, locks or modes, as object stores are."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import apache_beam as beam
import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from beam_pipeline.errors import OutputError
from beam_pipeline.io import exchange, naming, publishing
from beam_pipeline.io.exchange import Exchange, WrittenFile, identity_of
from beam_pipeline.io.sinks import WriteResults
from tests.support.beam import pipeline
from transforms.expand import AnagramCount
from transforms.files.renaming import Guard
from transforms.stages.totals import Totals

RECORDS = [AnagramCount(word, 1, "act") for word in ("act", "cat", "tac")]
TOKEN = "0123456789ab"


class ObjectStore(LocalFileSystem):
    """Local files under URLs, of which none can be renamed onto another one."""

    @classmethod
    def scheme(cls) -> str:
        return "objects"

    def join(self, base: str, *paths: str) -> str:
        return "/".join((base.rstrip("/"), *paths))

    def split(self, url: str) -> tuple[str, str]:
        folder, _, name = url.rpartition("/")
        return folder, name

    def create(self, path: str, *how: Any, **more: Any) -> BinaryIO:
        return super().create(_local(path), *how, **more)

    def open(self, path: str, *how: Any, **more: Any) -> BinaryIO:
        return super().open(_local(path), *how, **more)

    def exists(self, path: str) -> bool:
        return os.path.isfile(_local(path))

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, os.path.getsize(_local(path)))

    def last_updated(self, path: str) -> float:
        return os.path.getmtime(_local(path))

    def match(self, patterns: Sequence[str], limits: Any = None) -> Any:
        results = LocalFileSystem(None).match([_local(each) for each in patterns], limits)
        for result in results:
            result.metadata_list = [
                FileMetadata(f"objects://{file.path}", file.size_in_bytes)
                for file in result.metadata_list
            ]
        return results

    def delete(self, paths: Sequence[str]) -> None:
        missing = {path: FileNotFoundError(path) for path in paths if not self.exists(path)}
        if missing:
            raise BeamIOError("delete", missing)
        for path in paths:
            os.remove(_local(path))

    def rename(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        for source, target in zip(sources, targets, strict=True):
            if self.exists(target):
                raise BeamIOError("rename", {(source, target): FileExistsError(target)})
            os.rename(_local(source), _local(target))


def _local(url: str) -> str:
    return url.removeprefix("objects://")


def write(url: str, **how: Any) -> None:
    with pipeline() as p:
        p | beam.Create(RECORDS, reshuffle=False) | WriteResults(url, **how)


def test_results_replace_each_other_whole(tmp_path: Path) -> None:
    url = f"objects://{tmp_path}/r.json"
    for number in (1, 3, 3, 2, 1, 1):
        write(url, num_shards=number)
        names = {naming.shard_path("r.json", shard, number) for shard in range(number)}
        assert set(os.listdir(tmp_path)) == names
        text = "".join((tmp_path / name).read_text() for name in names)
        assert text.count('"cat"') == 1


def test_files_of_windows_replace_those_of_an_earlier_run(tmp_path: Path) -> None:
    url = f"objects://{tmp_path}"
    left = tmp_path / f".w.jsonl.{TOKEN}.01234567.tmp"
    for _ in range(2):
        left.touch()
        os.utime(left, (0, 0))
        token = naming.new_token()
        with publishing.folder_of_windows(url, token), pipeline() as p:
            records = p | beam.Create(RECORDS, reshuffle=False)
            timed = records | beam.Map(TimestampedValue, 5).with_output_types(AnagramCount)
            timed | beam.WindowInto(FixedWindows(10)) | WriteResults(url, token=token)
        (name,) = os.listdir(tmp_path)
        assert name == "1970-01-01T00:00:00Z_1970-01-01T00:00:10Z.jsonl"
        assert (tmp_path / name).read_text().count('"cat"') == 1


def written(url: str, content: str) -> WrittenFile:
    temporary = naming.temporary_path(url, TOKEN)
    Path(_local(temporary)).write_text(content)
    return WrittenFile(temporary, url, identity_of(temporary))


def committed(url: str, before: int, after: int) -> Exchange:
    """An exchange whose run was killed as soon as it was written down."""
    for shard in range(before):
        Path(_local(naming.shard_path(url, shard, before))).write_text("old")
    stale = naming.all_shards(url) + [url] * (before == 1)
    files = [written(naming.shard_path(url, shard, after), "newer") for shard in range(after)]
    stale = [path for path in stale if path not in {file.final for file in files}]
    planned = Exchange.plan(files, stale, TOKEN, is_last_alone=after == 1)
    publishing.Manifest(planned, Totals()).write(url, TOKEN)
    return planned


def stop_at(step: int) -> Callable[[Callable[[], None]], None]:
    left = [step]

    def attempt(make: Callable[[], None]) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        make()

    return attempt


@pytest.mark.parametrize("change", [(1, 1), (1, 3), (3, 1), (3, 3), (2, 3)], ids=str)
@pytest.mark.parametrize("step", range(7))
def test_what_was_committed_is_published_when_it_is_abandoned(
    change: tuple[int, int], step: int, tmp_path: Path
) -> None:
    url = f"objects://{tmp_path}/r.json"
    planned = committed(url, *change)
    try:
        planned.carry_out(stop_at(step))
    except KeyboardInterrupt:
        before = sorted(os.listdir(tmp_path))
        publishing.recover(url)
        assert sorted(os.listdir(tmp_path)) == before  # its run may still live
    for path in tmp_path.iterdir():
        long_ago = time.time() - 2 * 24 * 60 * 60
        os.utime(path, (long_ago, long_ago))
    publishing.recover(url)
    finals = {naming.shard_path("r.json", shard, change[1]) for shard in range(change[1])}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        finals, "newer"
    )


def test_what_cannot_be_renamed_leaves_the_old_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"objects://{tmp_path}/r.json"
    committed(url, 3, 3)
    rename = exchange.rename

    def fails(source: str, target: str, guard: Guard | None = None) -> None:
        if source.endswith(".tmp") and "00002-of" in target:
            raise BeamIOError("rename", {(source, target): PermissionError("denied")})
        rename(source, target, guard)

    monkeypatch.setattr(exchange, "rename", fails)
    with pytest.raises(OutputError, match=r"00002-of-00003: cannot be written: .*denied"):
        publishing.finish(url, TOKEN)
    names = sorted(path for path in tmp_path.iterdir() if path.name[0] != ".")
    assert len(names) == 3
    assert {path.read_text() for path in names} == {"old"}
