"""Compressed files give back their bytes; a truncated or corrupt file is an error."""

import io
import lzma
import os
import random
import threading
from pathlib import Path

import pytest
import zstandard
from apache_beam.io.filesystem import CompressionTypes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.examples import at_most
from tests.support.files import COMPRESSORS, MULTI_MEMBER
from tests.support.formats import NOT_TEXT
from transforms.files.compression import is_compressed, open_decompressed
from transforms.files.decompression import HeadFile
from transforms.files.recognition import HEAD_SIZE, FormatError, is_plain_text

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


@settings(max_examples=at_most(25))
@given(data=st.binary(max_size=200), extension=st.sampled_from([*COMPRESSORS]))
def test_any_bytes_survive_compression(
    data: bytes, extension: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(is_plain_text(data, ""))  # what is not text is refused, whatever is in it
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


#: Extensions that a file may have: those of compressions, and others.
EXTENSIONS = (*COMPRESSORS, "zstd", "GZ", "txt", "tar", "pdf", "", "json")


@given(
    data=st.text(max_size=300) | st.just("long " * 50_000),
    codec=st.sampled_from([None, *COMPRESSORS]),
    extension=st.sampled_from(EXTENSIONS),
)
def test_content_decides_and_else_the_extension(
    data: str, codec: str | None, extension: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each codec under each extension: the right one, a wrong one, none."""
    assume(is_plain_text(data.encode(), ""))
    path = tmp_path_factory.mktemp("any") / f"text.{extension}".rstrip(".")
    content = COMPRESSORS[codec](data.encode()) if codec else data.encode()
    path.write_bytes(content)
    if codec not in (None, "deflate") or codec == extension:
        assert read(path) == data.encode()
    elif is_compressed(str(path)):  # the extension promises what is not there
        with pytest.raises(Exception):  # noqa: B017 - each format has its own
            read(path)
    else:
        assert read(path) == content


@pytest.mark.parametrize("extension", ["gz", "bz2", "zst", "xz"])
def test_text_under_the_extension_of_a_compression_is_an_error_that_says_so(
    extension: str, tmp_path: Path
) -> None:
    path = tmp_path / f"text.{extension}"
    path.write_bytes(b"just some words")
    with pytest.raises(FormatError, match=rf"which the extension \.{extension} promises"):
        read(path)


@pytest.mark.parametrize("extension", [*COMPRESSORS, "none"])
@pytest.mark.parametrize("name", NOT_TEXT)
def test_what_is_not_text_is_an_error_inside_a_compression_too(
    name: str, extension: str, tmp_path: Path
) -> None:
    make, words = NOT_TEXT[name]
    path = tmp_path / f"text.{extension}"
    path.write_bytes(COMPRESSORS.get(extension, bytes)(make()))
    with pytest.raises(FormatError, match=words):
        read(path)
    with open_decompressed(str(path), is_text=False) as stream:
        assert stream.read() == make()


def test_what_is_compressed_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(COMPRESSORS["gz"](COMPRESSORS["xz"](b"cat")))
    with pytest.raises(FormatError, match="compressed twice"):
        read(path)


@pytest.mark.parametrize("codec", ["gz", "bz2", "xz", "zst", "deflate"])
def test_whatever_is_wrong_behind_the_first_stream_is_an_error(codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{codec}"
    stream = COMPRESSORS[codec](b"the cat sat on the mat " * 20)
    damaged = bytes([stream[0] ^ 0xFF]) + stream[1:]
    for behind in (damaged, b"garbage", stream[:-1], stream[:5], stream + b"garbage"):
        path.write_bytes(stream + behind)
        with pytest.raises(Exception):  # noqa: B017
            read(path)


@pytest.mark.parametrize("codec", ["gz", "bz2", "xz", "deflate"])
def test_zeros_that_fill_a_file_are_no_stream(codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{codec}"
    for zeros in (4, 512, 100_000):
        path.write_bytes(COMPRESSORS[codec](b"the cat ") + bytes(zeros))
        assert read(path) == b"the cat "


def test_streams_of_deflate_are_joined_too(tmp_path: Path) -> None:
    path = tmp_path / "text.deflate"
    compress = COMPRESSORS["deflate"]
    path.write_bytes(compress(b"cat ") + compress(NOISE) + compress(b" act"))
    assert read(path) == b"cat " + NOISE + b" act"


def test_lzma_of_before_xz_is_read(tmp_path: Path) -> None:
    data = lzma.compress(NOISE, lzma.FORMAT_ALONE)
    for name in ("text.lzma", "text.txt"):
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name) == NOISE


def test_zstandard_frames_that_are_to_be_skipped_are(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\x50\x2a\x4d\x18\x03\0\0\0abc" + COMPRESSORS["zst"](b"the cat"))
    assert read(path) == b"the cat"


def test_extensions_are_those_of_beam() -> None:
    for extension in EXTENSIONS:
        kind = CompressionTypes.detect_compression_type(f"a.{extension}")
        assert is_compressed(f"a.{extension}") == (kind != CompressionTypes.UNCOMPRESSED)


@pytest.mark.parametrize("codec", ["", *COMPRESSORS])
def test_a_pipe_is_read_to_its_end(codec: str, tmp_path: Path) -> None:
    """Nothing is read twice: the beginning of a pipe, once read, is gone."""
    pipe = tmp_path / f"pipe.{codec}"
    os.mkfifo(pipe)
    content = COMPRESSORS[codec](NOISE) if codec else b"words " * 100_000

    def write_slowly() -> None:
        with pipe.open("wb", buffering=0) as file:
            for begin in (0, 1, 3, 300, 1500):
                end = {0: 1, 1: 3, 3: 300, 300: 1500}.get(begin)
                file.write(content[begin:end])

    writer = threading.Thread(target=write_slowly, daemon=True)
    writer.start()
    assert read(pipe) == (NOISE if codec else content)
    writer.join(60)


@given(
    st.binary(max_size=3000),
    st.lists(
        st.integers(-1, 1500)
        | st.tuples(st.integers(0, 3500))
        | st.tuples(st.just(0), st.sampled_from([os.SEEK_CUR, os.SEEK_END])),
        max_size=8,
    ),
    st.sampled_from([None, 0, 1]),
)
def test_a_file_whose_beginning_is_known_is_read_like_any_other(
    data: bytes, steps: list[int | tuple[int, ...]], change: int | None
) -> None:
    """A step that is a number reads so many bytes, a tuple has the arguments of a seek."""
    whole = io.BytesIO(data)
    size = None if change is None else len(data) + change  # what it was when it was listed
    with HeadFile(io.BytesIO(data), size=size) as file:
        assert file.head == data[:HEAD_SIZE]
        for step in steps:
            if isinstance(step, tuple):
                assert file.seek(*step) == whole.seek(*step)
            else:
                expected = whole.read(step)
                found = file.read(step)
                while len(found) < len(expected):  # it may give less at a time
                    found += file.read(len(expected) - len(found))
                assert found == expected
            assert file.tell() == whole.tell()
