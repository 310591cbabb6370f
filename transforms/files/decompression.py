"""Decompresses files, whatever their names.

The first bytes of a file decide how it is compressed, see `transforms.files.recognition`, and the
extension only if they do not. A truncated or corrupt file is an error.

To add a format, add its extension and its decompressor to the tables here, under Beam's name for
it, and its signature to `transforms.files.recognition`.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from transforms.files.recognition import HEAD_SIZE, FormatError, check_text, compression_of

# The name of the compression for each extension, as in Beam.
_EXTENSIONS = {
    ".bz2": "bzip2",
    ".deflate": "deflate",
    ".gz": "gzip",
    ".lzma": "lzma",
    ".xz": "lzma",
    ".zst": "zstd",
    ".zstd": "zstd",
}
# Extensions of formats of which not all files can be recognized by their content.
_WITHOUT_SIGNATURE = (".deflate", ".lzma")
# The suffix of the name of a shard, after the extension.
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
# How many bytes are read at once to recognize a file: all of most small files.
_READ_SIZE = 1 << 16


def is_compressed(path: str) -> bool:
    """Returns whether the extension of `path` is that of a compressed file."""
    return _extension(path) in _EXTENSIONS


def without_shard(path: str) -> str:
    """Returns the path of a result, given that of one of its shards; any other path as it is."""
    return _SHARD.sub("", path)


def _extension(path: str) -> str:
    name = without_shard(path).rpartition("/")[2].lower()
    return "".join(name.rpartition(".")[1:]) if "." in name else ""


class HeadFile(io.RawIOBase):
    """A file whose first bytes are known before they are read.

    They are read only once, so this works for pipes too.

    Args:
      file: the file, at its beginning.
      compression: the compression that `file` decompresses; None if it does not.
      size: the size in bytes, if it is a local file, of which a read returns fewer bytes than
        requested only at the end; None if unknown.

    Attributes:
      head: the first `HEAD_SIZE` bytes, or all of a shorter file.
      compression: the same.
    """

    def __init__(self, file: BinaryIO, compression: str | None = None, size: int | None = None):
        self._file = file
        self.compression = compression
        self._ahead, self._ended = b"", False
        while len(self._ahead) < HEAD_SIZE and not self._ended:
            more = file.read(_READ_SIZE)
            self._ahead += more
            is_all = len(more) < _READ_SIZE and len(self._ahead) == size
            self._ended = is_all or not more
        self.head = self._ahead[:HEAD_SIZE]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            data, self._ahead = self._ahead, b""
            return data if self._ended else data + self._file.read()
        if self._ahead or self._ended:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._file.read(size)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_CUR:
            offset, whence = offset + self.tell(), os.SEEK_SET
        self._ahead, self._ended = b"", False
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell() - len(self._ahead)

    def close(self) -> None:
        self._file.close()
        super().close()


def decompressed(
    raw: BinaryIO, path: str, *, is_text: bool = True, size: int | None = None
) -> HeadFile:
    """Returns the decompressed bytes of a file.

    Reading them raises EOFError, OSError or the decompressor's own error if the file is truncated
    or corrupt. So does this function, since it reads the beginning.

    Args:
      raw: the file, at its beginning.
      path: the path of the file.
      is_text: whether the file must be text. If not, it may have any format.
      size: as for `HeadFile`.

    Returns:
      The file, which closes `raw` when it is closed. Not every format can seek in it.

    Raises:
      EOFError: the file is empty under the extension of a compressed format.
      FormatError: it is not text, or not compressed as its extension says.
    """
    try:
        file = HeadFile(raw, size=size)
        compression = _compression(path, file.head, is_text=is_text)
        if compression is not None:
            inside = _DECOMPRESSORS[compression](cast(BinaryIO, file))
            file = HeadFile(cast(BinaryIO, _DecompressedFile(inside, raw)), compression)
        if is_text:
            check_text(file.head, path, compression=compression)
        return file
    except BaseException:
        raw.close()
        raise


def _compression(path: str, head: bytes, *, is_text: bool) -> str | None:
    """Returns how a file is compressed, by its content, or else by its extension."""
    found, extension = compression_of(head), _extension(path)
    if found is not None or extension not in _EXTENSIONS:
        return found
    if not head:  # some decompressors would treat it as an empty text
        raise EOFError("an empty file is not compressed text")
    if is_text:
        check_text(head, path)
    if extension not in _WITHOUT_SIGNATURE:
        raise FormatError(f"not {_EXTENSIONS[extension]}, which the extension {extension} promises")
    return _EXTENSIONS[extension]


class _DecompressedFile(io.BufferedReader):
    """A decompressed file that also closes the compressed file, which decompressors leave open."""

    def __init__(self, decompressed: Any, compressed: BinaryIO):
        super().__init__(decompressed)
        self._compressed = compressed

    def close(self) -> None:
        super().close()
        self._compressed.close()


class _StreamsFile(io.RawIOBase):
    """The decompressed bytes of one or more concatenated compressed streams.

    Python's own classes treat anything invalid after the first stream as the end of the file. Here
    only zeros are accepted, with which some programs pad files.

    Args:
      raw: the compressed bytes.
      new_decompressor: makes the decompressor of one stream.
    """

    def __init__(self, raw: BinaryIO, new_decompressor: Callable[[], Any]):
        self._raw = raw
        self._new_decompressor = new_decompressor
        self._decompressor = new_decompressor()
        self._compressed = b""  # read, but not passed to a decompressor yet

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = b""
        while not data:
            if self._decompressor.eof and not self._starts_next_stream():
                return 0
            if not self._compressed and getattr(self._decompressor, "needs_input", True):
                self._compressed = self._raw.read(_READ_SIZE)
                if not self._compressed:
                    raise EOFError("Compressed file ended before the end of the stream")
            data = self._decompressor.decompress(self._compressed, len(buffer))
            self._compressed = getattr(self._decompressor, "unconsumed_tail", b"")
        buffer[: len(data)] = data
        return len(data)

    def _starts_next_stream(self) -> bool:
        """Begins the next stream after one that has ended; returns False at the end of the file."""
        rest = self._decompressor.unused_data.lstrip(b"\0")
        while not rest and (more := self._raw.read(_READ_SIZE)):
            rest = more.lstrip(b"\0")
        if rest:
            self._decompressor, self._compressed = self._new_decompressor(), rest
        return bool(rest)


def _open_zstd(raw: BinaryIO) -> Any:
    import pyarrow  # takes a while to load

    return pyarrow.CompressedInputStream(raw, "zstd")


#: For each compression, a function that returns the decompressed file of a compressed one.
_DECOMPRESSORS: Mapping[str, Callable[[BinaryIO], Any]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "bzip2": lambda raw: _StreamsFile(raw, bz2.BZ2Decompressor),
    "lzma": lambda raw: _StreamsFile(raw, lzma.LZMADecompressor),
    "zstd": _open_zstd,
    "deflate": lambda raw: _StreamsFile(raw, zlib.decompressobj),
}
