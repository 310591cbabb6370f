"""Opens files of any Beam filesystem for reading, decompressed by extension.

Beam has decompression of its own, which takes the end of a truncated file for the end of the text.
Here a truncated file is an error, so that the run fails instead of counting half of a text.

To add a format, add its decompressor to `_DECOMPRESSORS`, under the name that Beam gives the
extension.
"""

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import pyarrow
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

# What Beam adds to the name of a shard, behind the extension.
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")


def is_compressed(path: str) -> bool:
    """Returns whether the extension of `path` is that of a compressed file."""
    return compression_of(path) != CompressionTypes.UNCOMPRESSED


def compression_of(path: str) -> str:
    """Returns Beam's name of the compression that the extension of a path or of a shard names.

    Example:
      >>> compression_of("a.txt.gz"), compression_of("a.json.gz-00001-of-00002")
      ('gzip', 'gzip')
      >>> compression_of("a.txt")
      'uncompressed'
    """
    return str(CompressionTypes.detect_compression_type(_SHARD.sub("", path)))


def open_raw(path: str, buffering: int = -1) -> BinaryIO:
    """Opens a file for reading its bytes as they are, compressed or not.

    Args:
      path: a path or URL on any Beam filesystem.
      buffering: for local files, as `open` takes it.
    """
    if "://" not in path:  # local: spares Beam's search for the filesystem of each file
        return open(path, "rb", buffering)
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def open_decompressed(path: str, open_raw: Callable[[str], BinaryIO] = open_raw) -> BinaryIO:
    """Opens a file for reading its decompressed bytes.

    Reading the file raises EOFError, OSError or the decompressor's own error if it is truncated or
    corrupt.

    Args:
      path: a path or URL on any Beam filesystem. Its extension decides about the format.
      open_raw: opens `path` for reading its bytes as they are. It must be able to seek.

    Returns:
      The file. Not every format can seek in it.

    Raises:
      EOFError: if the file is empty under the extension of a compressed format.
    """
    raw = open_raw(path)
    decompressor = _DECOMPRESSORS.get(compression_of(path))
    if decompressor is None:
        return raw
    if not raw.read(1):  # some decompressors would take it for an empty text
        raw.close()
        raise EOFError("an empty file is not compressed text")
    raw.seek(0)
    return cast(BinaryIO, _DecompressedFile(decompressor(raw), raw))


class _DecompressedFile(io.BufferedReader):
    """A decompressed file that also closes the compressed one, which decompressors leave open."""

    def __init__(self, decompressed: Any, compressed: BinaryIO):
        super().__init__(decompressed)
        self._compressed = compressed

    def close(self) -> None:
        super().close()
        self._compressed.close()


class _DeflateFile(io.RawIOBase):
    """The decompressed bytes of a zlib stream, for which Python has no file class."""

    def __init__(self, raw: BinaryIO):
        self._raw = raw
        self._decompressor = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = b""
        while not data and not self._decompressor.eof:
            compressed = self._decompressor.unconsumed_tail or self._raw.read(1 << 16)
            if not compressed:
                raise EOFError("Compressed file ended before the end of the stream")
            data = self._decompressor.decompress(compressed, len(buffer))
        buffer[: len(data)] = data
        return len(data)


#: By Beam's name of a compression, what makes a decompressed file of a compressed one.
_DECOMPRESSORS: Mapping[str, Callable[[BinaryIO], Any]] = {
    CompressionTypes.GZIP: lambda raw: gzip.GzipFile(fileobj=raw),
    CompressionTypes.BZIP2: bz2.BZ2File,
    CompressionTypes.LZMA: lzma.LZMAFile,
    CompressionTypes.ZSTD: lambda raw: pyarrow.CompressedInputStream(raw, "zstd"),
    CompressionTypes.DEFLATE: _DeflateFile,
}
