"""Opens files of any Beam filesystem for reading, decompressed.

Beam's own decompression depends on the extension, and treats a truncated file as complete. Here a
truncated file is an error, so that the run fails instead of counting a part of a text. See
`transforms.files.decompression`.
"""

from collections.abc import Callable
from typing import BinaryIO, cast

from apache_beam.io.filesystem import CompressionTypes

from transforms.files.decompression import HeadFile, decompressed, without_shard
from transforms.files.decompression import is_compressed as is_compressed
from transforms.files.ranges import RangedFile, ReadAhead, Region, is_read_by_ranges
from transforms.files.schemes import is_local, local_path, why_unsupported
from transforms.files.stores import open_file


def compression_for(path: str) -> str:
    """Returns Beam's name of the compression in which a file, or the shard of one, is written.

    Example:
      >>> compression_for("a.json.gz"), compression_for("a.json.gz-00001-of-00002")
      ('gzip', 'gzip')
      >>> compression_for("a.json")
      'uncompressed'
    """
    return str(CompressionTypes.detect_compression_type(without_shard(path)))


def open_raw(
    path: str, buffering: int = -1, region: Region | None = None, ahead: ReadAhead | None = None
) -> BinaryIO:
    """Opens a file for reading its bytes as they are, compressed or not.

    Args:
      path: a path or URL on any Beam filesystem.
      buffering: for local files, as in `open`.
      region: the part of it that is going to be read, for stores; by default all.
      ahead: requests for parts of it that have been made already.
    """
    path = local_path(path)
    if is_local(path):  # avoids Beam's search for the filesystem of each file
        return open(path, "rb", buffering)
    if is_read_by_ranges(path) and why_unsupported(path) is None:
        return cast(BinaryIO, RangedFile(region or Region(path), ahead))
    return open_file(path)


def open_decompressed(
    path: str, open_raw: Callable[[str], BinaryIO] = open_raw, *, is_text: bool = True
) -> BinaryIO:
    """Opens a file for reading its decompressed bytes, as `open_recognized` does."""
    return cast(BinaryIO, open_recognized(path, open_raw, is_text=is_text))


def open_recognized(
    path: str,
    open_raw: Callable[[str], BinaryIO] = open_raw,
    *,
    is_text: bool = True,
    size: int | None = None,
) -> HeadFile:
    """Opens a file for reading its decompressed bytes; the first of them are available as `head`.

    Args:
      path: a path or URL on any Beam filesystem.
      open_raw: opens `path` for reading its bytes as they are.
      is_text: whether the file must be text. If not, it may have any format.
      size: the size of the file in bytes when it was listed; None if unknown.

    Raises:
      Exception: raised by `transforms.files.decompression.decompressed` or the filesystem.
    """
    # What stores return need not be all that there is.
    known = size if is_local(path) else None
    return decompressed(open_raw(path), path, is_text=is_text, size=known)
