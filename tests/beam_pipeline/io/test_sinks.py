"""Results appear whole, sorted and byte for byte the same, or not at all."""

import errno
import gzip
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import apache_beam as beam
import pyarrow.parquet
import pytest

from beam_pipeline.io import publishing
from beam_pipeline.io.dead_letters import open_buffered
from beam_pipeline.io.formats import FORMATS, READERS, write_parquet
from beam_pipeline.io.naming import new_token, shard_path
from beam_pipeline.io.sinks import WriteResults
from tests.support.beam import pipeline
from tests.support.tables import records_of
from transforms.errors import AnagramError
from transforms.expand import AnagramCount
from transforms.files.compression import open_decompressed
from transforms.stages.retry import Resilience, Retrier

RECORDS = [
    AnagramCount(word, count, "".join(sorted(word)))
    for word, count in [
        *(("tac", 3), ("act", 3), ("cat", 3), ("a", 10**12), ("zoo", 1), ("a1", 2)),
        *(("été", 4), ("éa", 5), ("漢", 1), ("𝒳", 1), ("ab", 2), ("aé", 5), ("z\u0301a", 7)),
    ]
]
IN_ORDER = sorted(RECORDS)


def write(path: Path, records: Sequence[AnagramCount] = RECORDS, **how: Any) -> None:
    with pipeline() as p:
        p | beam.Create(list(records), reshuffle=False) | WriteResults(str(path), **how)


def read(path: Path, kind: str) -> list[AnagramCount]:
    """The records of a file; of JSON, which has no signatures, with those they must have."""
    if kind == "json":
        pairs = json.loads(path.read_text("utf-8")).items()
        return [AnagramCount(word, count, "".join(sorted(word))) for word, count in pairs]
    if kind == "jsonl":
        lines = path.read_text("utf-8").split("\n")
        assert lines.pop() == ""
        return [AnagramCount(**json.loads(line)) for line in lines]
    if kind == "csv":
        header, *lines = path.read_text("utf-8").split("\n")
        assert (header, lines.pop()) == ("word,count,signature", "")
        rows = [line.split(",") for line in lines]
        return [AnagramCount(word, int(count), signature) for word, count, signature in rows]
    return [AnagramCount(**row) for row in pyarrow.parquet.read_table(path).to_pylist()]


@pytest.mark.parametrize("given_up", [False, True])
def test_nothing_is_published_for_a_run_that_has_been_stopped(
    given_up: bool, tmp_path: Path
) -> None:
    """Whether it has ended, or has only said so and still clears up."""
    path, token = tmp_path / "result.json", new_token()
    with publishing.output_lock(str(path), token):
        if given_up:
            publishing.revoke(str(path), token)
            with pytest.raises(Exception, match="not published: the run that asked for it"):
                write(path, token=token, has_client=True)
        else:
            write(path, token=token, has_client=True)
    with pytest.raises(Exception, match="not published: the run that asked for it"):
        write(tmp_path / "other.json", token=token, has_client=True)
    assert path.exists() == (not given_up)
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_holds_the_records_in_the_order_of_their_words(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "result"
    write(path, format=kind)
    assert read(path, kind) == IN_ORDER
    assert os.listdir(tmp_path) == ["result"]


@pytest.mark.parametrize("kind", FORMATS)
def test_results_of_the_same_records_are_byte_identical_and_replace_the_old(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "result"
    path.write_text("something old and much longer than the result will be" * 99)
    write(path, format=kind)
    first = path.read_bytes()
    write(path, RECORDS[::-1], format=kind)
    assert path.read_bytes() == first
    assert b"something old" not in first
    assert os.listdir(tmp_path) == ["result"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("json", '{\n  "act": 2,\n  "été": 1\n}\n'),
        (
            "jsonl",
            '{"word": "act", "count": 2, "signature": "act"}\n'
            '{"word": "été", "count": 1, "signature": "téé"}\n',
        ),
        ("csv", "word,count,signature\nact,2,act\nété,1,téé\n"),
    ],
)
def test_text_formats_are_as_documented(kind: str, expected: str, tmp_path: Path) -> None:
    records = [AnagramCount("été", 1, "téé"), AnagramCount("act", 2, "act")]
    write(tmp_path / "result", records, format=kind)
    assert (tmp_path / "result").read_bytes() == expected.encode()


@pytest.mark.parametrize("kind", FORMATS)
def test_no_records_make_an_empty_result(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "result", [], format=kind)
    assert read(tmp_path / "result", kind) == []
    if kind == "json":
        assert (tmp_path / "result").read_text() == "{}\n"


def test_parquet_columns_have_their_types(tmp_path: Path) -> None:
    write(tmp_path / "result.parquet", format="parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "result.parquet")
    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("word", "string", False),
        ("count", "int64", False),
        ("signature", "string", False),
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_shards_hold_every_record_once_each_in_order(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "result", format=kind, num_shards=3)
    names = [f"result-{shard:05d}-of-00003" for shard in range(3)]
    assert sorted(os.listdir(tmp_path)) == names
    shards = [read(tmp_path / name, kind) for name in names]
    assert all(shard == sorted(shard) for shard in shards)
    assert sorted(record for shard in shards for record in shard) == IN_ORDER
    before = [(tmp_path / name).read_bytes() for name in names]
    write(tmp_path / "result", RECORDS[::-1], format=kind, num_shards=3)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_there_are_as_many_shards_as_asked_for_even_without_records(tmp_path: Path) -> None:
    write(tmp_path / "result.json", [], num_shards=12)
    assert sorted(os.listdir(tmp_path)) == [f"result.json-{n:05d}-of-00012" for n in range(12)]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"{}\n"}


def test_more_records_than_a_chunk_holds_stay_sorted(tmp_path: Path) -> None:
    records = [AnagramCount(f"w{n * 37 % 101:03d}", n + 1, "x") for n in range(101)]
    expected = [(record.word, record.count) for record in sorted(records)]
    for kind in ("json", "parquet"):
        write(tmp_path / kind, records, format=kind, chunk_records=7)
        found = [(record.word, record.count) for record in read(tmp_path / kind, kind)]
        assert found == expected


def test_more_records_than_a_row_group_holds_stay_in_order() -> None:
    table = records_of({f"w{n:03d}": n + 1 for n in range(101)})
    files = set()
    for rows in (1, 7, 10, 50, 101):  # where tables end does not matter
        file = BytesIO()
        tables = (table.slice(at, rows) for at in range(0, 101, rows))
        write_parquet(map(FORMATS["parquet"].encode, tables), file, rows_in_group=10)
        files.add(file.getvalue())
    assert len(files) == 1
    assert pyarrow.parquet.ParquetFile(file).num_row_groups == 11
    file.seek(0)
    assert list(READERS["parquet"](file)) == [(f"w{n:03d}", n + 1) for n in range(101)]


def test_folders_are_made_and_compression_follows_the_extension(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "result.csv.gz"
    write(path, format="csv")
    content = gzip.decompress(path.read_bytes())
    (tmp_path / "plain.csv").write_bytes(content)
    assert read(tmp_path / "plain.csv", "csv") == IN_ORDER
    first = path.read_bytes()
    write(path, format="csv")
    assert path.read_bytes() == first  # no time of writing in it
    assert os.listdir(path.parent) == [path.name]


def test_a_run_that_fails_leaves_the_old_result(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(Exception, match="on purpose"), pipeline() as p:
        records = p | beam.Create(RECORDS) | beam.Map(_fail).with_output_types(AnagramCount)
        records | WriteResults(str(path))
    assert path.read_text() == "old"


def _fail(record: AnagramCount) -> AnagramCount:
    if record.word == "été":
        raise RuntimeError("on purpose")
    return record


@pytest.mark.parametrize("num_shards", [1, 3])
def test_a_run_that_fails_while_it_writes_leaves_the_old_result(
    num_shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(lines: Iterable[bytes], file: BinaryIO) -> None:
        file.write(b"half a result")
        raise OSError(errno.ENOSPC, "disk full")

    path = tmp_path / "result.json"
    old = (
        [path]
        if num_shards == 1
        else [tmp_path / f"{path.name}-{n:05d}-of-00003" for n in range(3)]
    )
    for file in old:
        file.write_text("old")
    monkeypatch.setitem(FORMATS, "json", FORMATS["json"]._replace(write=write_half))
    with pytest.raises(Exception, match=rf"{path}: cannot be written: .*disk full"):
        write(path, num_shards=num_shards)
    assert {file.read_text() for file in old} == {"old"}


def test_what_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "result.json"
    with pytest.raises(Exception, match=rf"{path}: cannot be written"):
        write(path)
    assert issubclass(AnagramError, Exception)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "xml"}, r"format='xml'.*json.*jsonl.*csv.*parquet"),
        ({"num_shards": 0}, r"num_shards=0.*1 or more"),
        ({"num_shards": -2}, r"num_shards=-2.*1 or more"),
        ({"num_shards": 10_001}, r"num_shards=10001.*10000 or less"),
        ({"sort": "length"}, r"sort='length'.*word.*count"),
        ({"sort": "count", "num_shards": 2}, r"sort='count'.*more than one shard"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        WriteResults("result", **settings)


def by_count(record: AnagramCount) -> tuple[int, str]:
    return -record.count, record.word


@pytest.mark.parametrize("kind", FORMATS)
def test_records_can_be_sorted_by_count(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "result"
    records = [*RECORDS, AnagramCount("b", 2**63 - 1, "b")] + [
        AnagramCount(f"w{n:02d}", n * 7 % 20 + 1, f"w{n:02d}") for n in range(60)
    ]
    expected = [(record.word, record.count) for record in sorted(records, key=by_count)]
    write(path, records, format=kind, sort="count", chunk_records=9)
    first = path.read_bytes()
    assert [(record.word, record.count) for record in read(path, kind)] == expected
    write(path, records[::-1], format=kind, sort="count")
    assert path.read_bytes() == first
    assert list(READERS[kind](BytesIO(first))) == expected  # as a result to merge


@pytest.mark.parametrize("extension", ["gz", "bz2", "zst", "deflate"])
def test_shards_are_compressed_as_the_extension_of_the_path_says(
    extension: str, tmp_path: Path
) -> None:
    path = tmp_path / f"result.csv.{extension}"
    write(path, format="csv", num_shards=2)
    shards = [f"{path}-{shard:05d}-of-00002" for shard in range(2)]
    assert sorted(map(str, tmp_path.iterdir())) == shards
    found = []
    for shard in shards:
        assert not Path(shard).read_bytes().startswith(b"word,")
        with open_decompressed(shard) as file:
            assert file.read(5) == b"word,"
        retrier = Retrier("read", Resilience())
        with open_buffered(shard, retrier) as file:
            found += list(READERS["csv"](file))
    assert sorted(found) == sorted((record.word, record.count) for record in RECORDS)


@pytest.fixture(params=["relative", "absolute", "chain", "dangling", "in a linked folder"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A path that is or has a symbolic link, and the file to which it leads."""
    target, path = tmp_path / "real" / "target", tmp_path / "links" / "r.json"
    target.parent.mkdir()
    path.parent.mkdir()
    if request.param != "dangling":
        target.write_text("old")
    if request.param == "absolute":
        path.symlink_to(target)
    elif request.param == "chain":
        path.symlink_to("second")
        (path.parent / "second").symlink_to(target)
    elif request.param == "in a linked folder":
        (tmp_path / "folder").symlink_to("real")
        path = tmp_path / "folder" / "target"
    else:
        path.symlink_to("../real/target")
    return path, target


def test_a_symbolic_link_is_written_through(link: tuple[Path, Path]) -> None:
    path, target = link
    links = {each: os.readlink(each) for each in path.parents[1].rglob("*") if each.is_symlink()}
    for _ in range(2):
        write(path)
        assert read(target, "json") == read(path, "json") == IN_ORDER
        assert {each: os.readlink(each) for each in links} == links
        assert os.listdir(target.parent) == ["target"]  # nothing is left, in either folder
        assert os.listdir(path.parent) in (
            ["target"],
            ["r.json"],
            ["r.json", "second"],
            ["second", "r.json"],
        )


def test_shards_that_are_symbolic_links_are_written_through(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    (tmp_path / "real").mkdir()
    shards = [tmp_path / f"r.json-0000{shard}-of-00002" for shard in range(2)]
    for number, shard in enumerate(shards):
        shard.symlink_to(f"real/{number}")
    write(path, num_shards=2)
    assert all(shard.is_symlink() for shard in shards)
    assert sorted(record for shard in shards for record in read(shard, "json")) == IN_ORDER
    write(path)  # now the links are stale; what they led to is not ours to remove
    assert sorted(os.listdir(tmp_path)) == ["r.json", "real"]
    assert len(os.listdir(tmp_path / "real")) == 2


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second filesystem")
def test_a_link_to_another_filesystem_is_written_through(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        assert os.stat(elsewhere).st_dev != os.stat(tmp_path).st_dev
        path = tmp_path / "r.json"
        path.symlink_to(f"{elsewhere}/target.json")
        for _ in range(2):
            write(path)
            assert read(path, "json") == IN_ORDER
        assert os.listdir(elsewhere) == ["target.json"]


@pytest.mark.parametrize("num_shards", [1, 2])
def test_the_mode_and_owner_of_a_file_that_is_replaced_are_kept(
    num_shards: int, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    mask = os.umask(0o027)
    try:
        write(path, num_shards=num_shards)
        files = sorted(tmp_path.iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}
        modes = [0o600, 0o666, 0o444][:num_shards]
        for file, mode in zip(files, modes, strict=True):
            file.chmod(mode)
            if os.geteuid() == 0:
                os.chown(file, 65534, 65533)
        owners = [(file.stat().st_uid, file.stat().st_gid) for file in files]
        write(path, RECORDS[:3], num_shards=num_shards)
    finally:
        os.umask(mask)
    assert sorted(tmp_path.iterdir()) == files
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == modes
    assert [(file.stat().st_uid, file.stat().st_gid) for file in files] == owners


def test_what_replaces_a_private_file_is_never_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    path.touch(0o600)
    modes = []

    def write_looking(lines: Iterable[bytes], file: BinaryIO) -> None:
        (temporary,) = tmp_path.glob(".*.tmp")
        modes.append(stat.S_IMODE(temporary.stat().st_mode))
        file.write(b"{}")

    monkeypatch.setitem(FORMATS, "json", FORMATS["json"]._replace(write=write_looking))
    write(path)
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_result_replaces_one_of_another_number_of_shards_whole(tmp_path: Path) -> None:
    path, other = tmp_path / "r.json", tmp_path / "r.jsonx-00000-of-00002"
    other.write_text("keep")
    (tmp_path / "r.json-00000-of-00009").mkdir()  # no shard, only named like one
    for number in (1, 3, 5, 2, 1, 1, 4):
        write(path, num_shards=number)
        found = {file.name for file in tmp_path.iterdir() if file.is_file()}
        assert found == {other.name, *(shard_path("r.json", n, number) for n in range(number))}


@pytest.mark.parametrize("num_shards", [1, 3])
def test_an_attempt_that_fails_leaves_no_temporary_file(
    num_shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would remove it, as this pipeline has no client."""
    left, whole = [3], FORMATS["json"].write

    def write_at_last(lines: Iterable[bytes], file: BinaryIO) -> None:
        if left[0]:
            left[0] -= 1
            file.write(b"half")
            raise OSError(errno.EIO, "input/output error")
        whole(lines, file)

    monkeypatch.setitem(FORMATS, "json", FORMATS["json"]._replace(write=write_at_last))
    path = tmp_path / "r.json"
    write(path, num_shards=num_shards, resilience=Resilience(initial_backoff=0, max_backoff=0))
    assert len(os.listdir(tmp_path)) == num_shards
    left[0] = 1
    with pytest.raises(Exception, match="input/output error"):
        write(path, num_shards=num_shards, resilience=Resilience(max_attempts=1))
    assert len(os.listdir(tmp_path)) == num_shards
