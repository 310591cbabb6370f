"""Files for tests: compressed bytes by extension."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

import zstandard

#: Extension -> what compresses bytes into the format it stands for.
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "deflate": zlib.compress,
}
#: The formats whose files may be joined: each part is a stream of its own.
MULTI_MEMBER = ("gz", "bz2", "zst", "xz")
