"""Compressed files give back their bytes; a truncated or corrupt file is an error."""

import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.files import COMPRESSORS, MULTI_MEMBER
from transforms.files.compression import is_compressed, open_decompressed

#: Does not compress well, and is larger than any buffer on the way.
NOISE = random.Random(1).randbytes(300_000)
ZEROS = bytes(3_000_000)


def read(path: Path) -> bytes:
    with open_decompressed(str(path)) as stream:
        return stream.read()


@pytest.fixture(params=COMPRESSORS)
def extension(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    "data", [b"", b"cat", NOISE, ZEROS], ids=["empty", "cat", "noise", "zeros"]
)
def test_every_format_gives_back_its_bytes(extension: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"text.txt.{extension}"
    path.write_bytes(COMPRESSORS[extension](data))
    assert is_compressed(str(path))
    assert read(path) == data


def test_reading_in_any_portions_gives_the_same_bytes(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{extension}"
    path.write_bytes(COMPRESSORS[extension](NOISE))
    for size in (999, 65_536, 1_000_000):
        with open_decompressed(str(path)) as stream:
            portions = list(iter(lambda: stream.read(size), b""))  # noqa: B023
        assert b"".join(portions) == NOISE


@settings(max_examples=25)
@given(data=st.binary(max_size=200), extension=st.sampled_from([*COMPRESSORS]))
def test_any_bytes_survive_compression(
    data: bytes, extension: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / f"text.{extension}"
    path.write_bytes(COMPRESSORS[extension](data))
    assert read(path) == data


@pytest.mark.parametrize("extension", MULTI_MEMBER)
def test_joined_files_are_read_to_their_last_member(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{extension}"
    compress = COMPRESSORS[extension]
    path.write_bytes(compress(b"cat ") + compress(b"") + compress(NOISE) + compress(b" act"))
    assert read(path) == b"cat " + NOISE + b" act"


def test_streamed_zstandard_without_its_size_is_read(tmp_path: Path) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    path = tmp_path / "text.zst"
    path.write_bytes(compressor.compress(NOISE) + compressor.flush())
    assert read(path) == NOISE


@pytest.mark.parametrize("data", [b"the cat sat", NOISE, ZEROS], ids=["short", "noise", "zeros"])
def test_truncated_files_raise(extension: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"text.{extension}"
    whole = COMPRESSORS[extension](data)
    sizes = {1, 5, len(whole) // 2, len(whole) - 9, len(whole) - 4, len(whole) - 1}
    for size in sorted(size for size in sizes if size > 0):
        path.write_bytes(whole[:size])
        with pytest.raises(Exception):  # noqa: B017 - each format has its own
            read(path)


@pytest.mark.parametrize("extension", MULTI_MEMBER)
def test_a_truncated_last_member_raises(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{extension}"
    member = COMPRESSORS[extension](b"the cat sat on the mat")
    path.write_bytes(member + member[:-3])
    with pytest.raises(Exception):  # noqa: B017
        read(path)


def test_corrupt_files_raise(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{extension}"
    whole = COMPRESSORS[extension](NOISE)
    # Zstandard has no checksum unless asked for: there, only the header can be seen to be wrong.
    places = [0] if extension == "zst" else [0, len(whole) // 2, len(whole) - 2]
    for place in places:
        corrupt = bytearray(whole)
        corrupt[place] ^= 0xFF
        path.write_bytes(corrupt)
        with pytest.raises(Exception):  # noqa: B017
            read(path)


def test_a_file_that_is_not_compressed_raises_under_the_extension(
    extension: str, tmp_path: Path
) -> None:
    path = tmp_path / f"text.{extension}"
    path.write_bytes(b"just some words, not compressed at all")
    with pytest.raises(Exception):  # noqa: B017
        read(path)


@pytest.mark.parametrize("name", ["plain.txt", "noextension", "words.csv", "gz", "a.gz.txt"])
def test_other_files_are_read_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"cat\x1f\x8b")
    assert not is_compressed(str(path))
    assert read(path) == b"cat\x1f\x8b"


def test_a_plain_file_can_be_read_from_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_bytes(b"the cat sat")
    with open_decompressed(str(path)) as stream:
        stream.seek(4)
        assert stream.read(3) == b"cat"


@pytest.mark.parametrize("extension", COMPRESSORS)
def test_a_file_of_no_bytes_is_truncated_too(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{extension}"
    path.touch()
    with pytest.raises(EOFError):
        open_decompressed(str(path))
