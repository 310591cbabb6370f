"""Opens files of any Beam filesystem for reading, decompressed.

How a file is compressed is decided by its first bytes, see `transforms.files.recognition`, and by
its extension only where these do not tell. Beam has decompression of its own, which goes by the
extension and takes the end of a truncated file for the end of the text. Here a truncated file is an
error, so that the run fails instead of counting half of a text.

To add a format, add its decompressor to `_DECOMPRESSORS`, under the name that Beam gives the
extension, and its signature to `transforms.files.recognition`.
"""

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import pyarrow
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.files.recognition import HEAD_SIZE, FormatError, check_text, compression_of
from transforms.files.schemes import is_local, local_path, why_unsupported

# Extensions of formats that not all files can be recognized to be of.
_WITHOUT_SIGNATURE = (".deflate", ".lzma")
# So much is read at once to recognize a file: all of most small ones.
_READ_SIZE = 1 << 16


def is_compressed(path: str) -> bool:
    """Returns whether the extension of `path` is that of a compressed file."""
    kind = CompressionTypes.detect_compression_type(path)
    return bool(kind != CompressionTypes.UNCOMPRESSED)


def open_raw(path: str, buffering: int = -1) -> BinaryIO:
    """Opens a file for reading its bytes as they are, compressed or not.

    Args:
      path: a path or URL on any Beam filesystem.
      buffering: for local files, as `open` takes it.
    """
    path = local_path(path)
    if is_local(path):  # spares Beam's search for the filesystem of each file
        return open(path, "rb", buffering)
    if (fault := why_unsupported(path)) is not None:
        raise ValueError(fault)
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


class HeadFile(io.RawIOBase):
    """A file whose first bytes are known before they are read.

    They are read once, so that this works for pipes too.

    Args:
      file: where to read, at its beginning.
      compression: how the file was compressed before `file` gives its bytes, by Beam's name.

    Attributes:
      head: the first `HEAD_SIZE` bytes, or all of a shorter file.
      compression: as above; None if it was not.
    """

    def __init__(self, file: BinaryIO, compression: str | None = None):
        self._file = file
        self.compression = compression
        self._ahead, self._ended = b"", False
        while len(self._ahead) < HEAD_SIZE and not self._ended:
            more = file.read(_READ_SIZE)
            self._ahead += more
            self._ended = not more
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


def open_decompressed(
    path: str, open_raw: Callable[[str], BinaryIO] = open_raw, *, is_text: bool = True
) -> BinaryIO:
    """Opens a file for reading its decompressed bytes, as `open_recognized` does."""
    return cast(BinaryIO, open_recognized(path, open_raw, is_text=is_text))


def open_recognized(
    path: str, open_raw: Callable[[str], BinaryIO] = open_raw, *, is_text: bool = True
) -> HeadFile:
    """Opens a file for reading its decompressed bytes, of which the first are known.

    Reading the file raises EOFError, OSError or the decompressor's own error if it is truncated or
    corrupt. Opening it does so too, since its beginning is read.

    Args:
      path: a path or URL on any Beam filesystem.
      open_raw: opens `path` for reading its bytes as they are.
      is_text: whether the file is to be text. If not, it may have any format.

    Returns:
      The file. Not every format can seek in it.

    Raises:
      EOFError: the file is empty under the extension of a compressed format.
      FormatError: it is not text, or not compressed as its extension says.
    """
    raw = open_raw(path)
    try:
        file = HeadFile(raw)
        compression = _compression(path, file.head, is_text=is_text)
        if compression is not None:
            decompressed = _DECOMPRESSORS[compression](cast(BinaryIO, file))
            file = HeadFile(cast(BinaryIO, _DecompressedFile(decompressed, raw)), compression)
        if is_text:
            check_text(file.head, path, compression=compression)
        return file
    except BaseException:
        raw.close()
        raise


def _compression(path: str, head: bytes, *, is_text: bool) -> str | None:
    """Returns how a file is compressed: what its content says, and else what its extension does."""
    found = compression_of(head)
    named = CompressionTypes.detect_compression_type(path)
    if found is not None or named == CompressionTypes.UNCOMPRESSED:
        return found
    if not head:  # some decompressors would take it for an empty text
        raise EOFError("an empty file is not compressed text")
    if is_text:
        check_text(head, path)
    extension = os.path.splitext(path)[1]
    if extension.lower() not in _WITHOUT_SIGNATURE:
        raise FormatError(f"not {named} data, which the extension {extension} promises")
    return str(named)


class _DecompressedFile(io.BufferedReader):
    """A decompressed file that also closes the compressed one, which decompressors leave open."""

    def __init__(self, decompressed: Any, compressed: BinaryIO):
        super().__init__(decompressed)
        self._compressed = compressed

    def close(self) -> None:
        super().close()
        self._compressed.close()


class _StreamsFile(io.RawIOBase):
    """The decompressed bytes of one or more compressed streams, one behind the other.

    Python's own classes take whatever is wrong behind the first stream for the end of the file.
    Only zeros are accepted there, with which some programs fill up files.

    Args:
      raw: the compressed bytes.
      new_decompressor: makes the decompressor of one stream.
    """

    def __init__(self, raw: BinaryIO, new_decompressor: Callable[[], Any]):
        self._raw = raw
        self._new_decompressor = new_decompressor
        self._decompressor = new_decompressor()
        self._compressed = b""  # read, and not given to a decompressor yet

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
        """Begins with what is behind a stream that has ended; returns whether there is anything."""
        rest = self._decompressor.unused_data.lstrip(b"\0")
        while not rest and (more := self._raw.read(_READ_SIZE)):
            rest = more.lstrip(b"\0")
        if rest:
            self._decompressor, self._compressed = self._new_decompressor(), rest
        return bool(rest)


#: By Beam's name of a compression, what makes a decompressed file of a compressed one.
_DECOMPRESSORS: Mapping[str, Callable[[BinaryIO], Any]] = {
    CompressionTypes.GZIP: lambda raw: gzip.GzipFile(fileobj=raw),
    CompressionTypes.BZIP2: lambda raw: _StreamsFile(raw, bz2.BZ2Decompressor),
    CompressionTypes.LZMA: lambda raw: _StreamsFile(raw, lzma.LZMADecompressor),
    CompressionTypes.ZSTD: lambda raw: pyarrow.CompressedInputStream(raw, "zstd"),
    CompressionTypes.DEFLATE: lambda raw: _StreamsFile(raw, zlib.decompressobj),
}
