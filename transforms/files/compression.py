"""Files decompressed by extension; a truncated file is an error.

Beam's own decompression takes the end of a truncated file for the end of the text.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

import pyarrow
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems


def is_compressed(path: str) -> bool:
    """Whether the extension of `path` says that it is compressed."""
    kind = CompressionTypes.detect_compression_type(path)
    return bool(kind != CompressionTypes.UNCOMPRESSED)


def open_raw(path: str, buffering: int = -1) -> BinaryIO:
    """Opens `path`, on any Beam filesystem, for reading its bytes as they are.

    Args:
      buffering: as `open` takes it, for local files.
    """
    if "://" not in path:  # local; Beam would search for its filesystem each time
        return open(path, "rb", buffering)
    return cast(BinaryIO, FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED))


def open_decompressed(path: str, open_raw: Callable[[str], BinaryIO] = open_raw) -> BinaryIO:
    """Opens `path` for reading its decompressed bytes.

    Reading raises EOFError, OSError or the decompressor's own error where the file is truncated
    or corrupt.
    """
    raw = open_raw(path)
    kind = CompressionTypes.detect_compression_type(path)
    if kind != CompressionTypes.UNCOMPRESSED:  # not every decompressor minds an empty file
        if not raw.read(1):
            raise EOFError("an empty file is not compressed text")
        raw.seek(0)
    match kind:
        case CompressionTypes.GZIP:
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        case CompressionTypes.BZIP2:
            return cast(BinaryIO, bz2.BZ2File(raw))
        case CompressionTypes.LZMA:
            return cast(BinaryIO, lzma.LZMAFile(raw))
        case CompressionTypes.ZSTD:
            return cast(BinaryIO, pyarrow.CompressedInputStream(raw, "zstd"))
        case CompressionTypes.DEFLATE:
            return cast(BinaryIO, io.BufferedReader(_DeflateFile(raw)))
        case _:
            return raw


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

    def close(self) -> None:
        self._raw.close()
        super().close()
