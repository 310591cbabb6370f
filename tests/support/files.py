"""Compressed files for tests."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

import zstandard

#: The compression of each format, by its extension.
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "deflate": zlib.compress,
}
#: The formats in which two files, one behind the other, are a valid file.
MULTI_MEMBER = ("gz", "bz2", "zst", "xz")
