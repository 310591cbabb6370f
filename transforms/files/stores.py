"""Operations on files that are not local: on object stores, on HDFS, on any Beam filesystem.

These are Beam's own operations, with these differences:

- transient errors are retried, see `transforms.stages.faults`, and effects of failed attempts are
  taken into account;
- an error of the store is not mistaken for a missing file;
- what Beam 2.77 gets wrong for a store is corrected: see `exists`, `rename` and `create`.
"""

import functools
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, ParamSpec, TypeVar, cast

from apache_beam.io.filesystem import CompressedFile, CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from transforms.files.clients import own_clients
from transforms.files.objects import (
    azure_blob,
    gcs_blob,
    hdfs_file,
    s3_object,
)
from transforms.files.renaming import Guard, renamer_of
from transforms.files.schemes import why_unsupported
from transforms.stages.faults import is_missing, is_transient
from transforms.stages.retry import Retrier, RetriesExhaustedError, applied_resilience

P = ParamSpec("P")
T = TypeVar("T")

# Stores whose objects appear only when they are complete.
_OBJECT_STORES = ("azfs", "gs", "s3")
_WILDCARD = re.compile(r"[*?[]")
# The size of the parts sent to S3, in bytes. S3 requires at least 5 MiB.
_MAX_SMALL = 8 << 20


def open_file(path: str) -> BinaryIO:
    """Opens a file for reading its bytes as they are. Not retried.

    Raises:
      ValueError: the path has no filesystem; the message says what to do.
    """
    if (fault := why_unsupported(path)) is not None:
        raise ValueError(fault)
    with own_clients():
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read_file(path: str, limit: int = -1) -> bytes:
    """Returns the content of a file, or its first `limit` bytes."""

    def read() -> bytes:
        with open_file(path) as file:
            return file.read(limit)

    return retried("read", read)


def create(path: str, compression: str = CompressionTypes.UNCOMPRESSED) -> BinaryIO:
    """Opens a new file for writing, which exists once it is closed. Not retried.

    Args:
      path: the path of the file.
      compression: one of Beam's types. (On HDFS, Beam itself always uses gzip.)
    """
    plain = CompressionTypes.UNCOMPRESSED
    with own_clients():
        filesystem = FileSystems.get_filesystem(path)
        if filesystem.scheme() == "s3":
            file: Any = _S3File(path, filesystem)
        else:
            file = filesystem.create(path, compression_type=plain)
    return cast(BinaryIO, file if compression == plain else CompressedFile(file, compression))


def is_whole(path: str) -> bool:
    """Returns whether a file at this path appears only when it is complete."""
    return FileSystems.get_scheme(path) in _OBJECT_STORES


def write_file(path: str, data: bytes) -> None:
    """Writes a small file, with retries."""

    def write() -> None:
        with create(path) as file:
            file.write(data)

    retried("write", write)


def exists(path: str) -> bool:
    """Returns whether a file exists.

    For the supported stores, its metadata is requested: Beam's own `exists` raises an error on
    Azure, and returns False on HDFS if the server does not answer.

    Raises:
      Exception: whatever the filesystem raises if this cannot be determined.
    """
    filesystem: Any = FileSystems.get_filesystem(path)
    if filesystem.scheme() not in ("azfs", "gs", "hdfs", "s3"):
        return bool(retried("read", filesystem.exists, path))
    try:
        metadata(path)
    except Exception as error:  # each filesystem raises its own
        if is_missing(error):
            return False
        raise
    return True


def metadata(path: str) -> FileMetadata:
    """Returns the size of a file in bytes, and if Beam knows it, the time of the last write."""

    def look() -> FileMetadata:
        filesystem: Any = FileSystems.get_filesystem(path)
        if filesystem.scheme() == "hdfs":
            return _hdfs_metadata(filesystem, path)
        return cast(FileMetadata, filesystem.metadata(path))

    return retried("read", look)


def last_updated(path: str) -> float:
    """Returns when a file was written, in seconds since the epoch."""

    def look() -> float:
        filesystem: Any = FileSystems.get_filesystem(path)
        if filesystem.scheme() == "hdfs":
            return _hdfs_metadata(filesystem, path).last_updated_in_seconds
        return float(filesystem.last_updated(path))

    return retried("read", look)


def match(patterns: Sequence[str]) -> list[FileMetadata]:
    """Returns the files that patterns match, in no particular order.

    A folder that does not exist has no files. (HDFS reports it as missing.)
    """
    found: list[FileMetadata] = []
    for pattern in patterns:
        try:
            found += retried("read", _match, pattern)
        except Exception as error:  # each filesystem raises its own
            if not is_missing(error):
                raise
    return found


def _match(pattern: str) -> list[FileMetadata]:
    filesystem: Any = FileSystems.get_filesystem(pattern)
    if filesystem.scheme() == "hdfs":
        # Beam lists folders as files, without their content.
        filesystem._list = functools.partial(_hdfs_files, filesystem)
        if _WILDCARD.search(pattern) is None and not pattern.endswith("/"):
            return list(_hdfs_files(filesystem, pattern))
    (result,) = filesystem.match([pattern])
    return list(result.metadata_list)


def _hdfs_metadata(filesystem: Any, url: str) -> FileMetadata:
    """Returns the metadata of a file. (Beam treats every error of the server as a missing file.)"""
    status = filesystem._hdfs_client.status(filesystem._parse_url(url)[1])
    return FileMetadata(url, status["length"], status["modificationTime"] / 1000)


def _hdfs_files(filesystem: Any, url: str) -> Iterator[FileMetadata]:
    """Yields a file, or all files below a folder."""
    pending = [url.rstrip("/")]
    client = filesystem._hdfs_client
    # Each request is retried separately: with many requests, one would always fail.
    status = retried("read", client.status, filesystem._parse_url(pending[0])[1])
    if status["type"] == "FILE":
        yield FileMetadata(url, status["length"], status["modificationTime"] / 1000)
        return
    while pending:
        url = pending.pop()
        for name, status in _hdfs_folder(filesystem, url):
            inside = f"{url}/{name}" if name else url
            if status["type"] == "DIRECTORY":
                pending.append(inside)
            else:
                yield FileMetadata(inside, status["length"], status["modificationTime"] / 1000)


def _hdfs_folder(filesystem: Any, url: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the names and status of the entries of a folder; none if it has been removed."""
    client, path = hdfs_file(filesystem, url)
    try:
        return list(retried("read", client.list, path, status=True))
    except Exception as error:  # of the client's own
        if is_missing(error):
            return []
        raise


def rename(source: str, target: str, guard: Guard | None = None) -> None:
    """Renames a file, replacing what is at `target`. Object stores copy it and delete `source`.

    Args:
      source: the path of the file.
      target: its new path.
      guard: a file that must not be lost if others replace it meanwhile, if the store supports it.

    Raises:
      Exception: whatever the filesystem raises; `target` is then unchanged, except on an
        unsupported filesystem that cannot rename onto an existing file.
    """
    filesystem = retried("write", FileSystems.get_filesystem, source)
    replace = renamer_of(filesystem)
    tried = False

    def attempt() -> None:
        nonlocal tried
        if tried and not exists(source) and exists(target):
            return  # the last attempt has succeeded, but its answer was lost
        tried = True
        if replace is not None:
            replace(source, target, guard)
            return
        if guard is not None:
            guard.check()
        _rename(filesystem, source, target)

    retried("write", attempt)


def delete(paths: Iterable[str]) -> None:
    """Deletes files; missing files are ignored.

    Raises:
      Exception: whatever the filesystem raises.
    """
    for path in paths:
        try:
            retried("write", _delete, path)
        except Exception as error:  # each filesystem raises its own
            if not is_missing(error):
                raise


def retried(stage: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function, with retries.

    Args:
      stage: the stage that the call belongs to, see `transforms.stages.chaos`.
      work: the function.
      *args, **kwargs: its arguments.

    Raises:
      RetriesExhaustedError: all attempts have failed. Retriers around this one make no more.
      Exception: what the function raises, if that is permanent.
    """
    try:
        return Retrier(stage, applied_resilience())(
            _with_own_clients, functools.partial(work, *args, **kwargs)
        )
    except RetriesExhaustedError as error:
        if is_transient(error.cause):
            raise
        raise error.cause from None


def _with_own_clients(work: Callable[[], T]) -> T:
    with own_clients():
        return work()


def _rename(filesystem: FileSystem, source: str, target: str) -> None:
    try:
        filesystem.rename([source], [target])
    except Exception as error:  # each filesystem raises its own
        # Some cannot rename onto an existing file; any other error will occur again.
        if is_missing(error) or not exists(target):
            raise
        filesystem.delete([target])
        filesystem.rename([source], [target])


def _delete(path: str) -> None:
    """Deletes a file with one request; Beam first checks whether it is a folder or a pattern."""
    filesystem: Any = FileSystems.get_filesystem(path)
    match filesystem.scheme():
        case "azfs":
            azure_blob(filesystem, path).delete_blob()
        case "gs":
            gcs_blob(filesystem, path).delete()
        case "s3":
            client, place = s3_object(filesystem, path)
            client.delete_object(**place)
        case _:
            filesystem.delete([path])


class _S3File(io.RawIOBase):
    """A new object on S3: written with one request if it is small or empty, otherwise in parts.

    Beam always uploads in parts, which takes at least three requests.
    """

    def __init__(self, path: str, filesystem: Any):
        self._path, self._filesystem = path, filesystem
        self._file: BinaryIO | None = None
        self._small = bytearray()
        self._position = 0
        self.mode = "wb"  # Beam's file wrappers read this attribute

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        with own_clients():
            if self._file is None and len(self._small) + size > _MAX_SMALL:
                plain = CompressionTypes.UNCOMPRESSED
                self._file = self._filesystem.create(self._path, compression_type=plain)
                self._file.write(self._small)
                self._small.clear()
            if self._file is None:
                self._small += data
            else:
                self._file.write(data)
        self._position += size
        return size

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            super().close()
            with own_clients():
                self._file.close() if self._file is not None else self._put()

    def _put(self) -> None:
        client, place = s3_object(self._filesystem, self._path)
        client.put_object(**place, Body=bytes(self._small))
