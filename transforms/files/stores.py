"""What is done to files that are not local: on object stores, on HDFS, on any filesystem of Beam.

These are Beam's own operations, but

- faults that may pass are retried, see `transforms.stages.faults`, and what a failed attempt may
  have done already is taken into account;
- a file that cannot be asked for is not taken for one that does not exist;
- what Beam 2.77 does not do right for a store is done here: see `exists`, `rename` and `create`.
"""

import functools
import io
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, ParamSpec, TypeVar, cast

from apache_beam.io.filesystem import CompressedFile, CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from transforms.files.clients import own_clients
from transforms.files.objects import (
    azure_blob,
    gcs_blob,
    hdfs_file,
    rename_in_hdfs,
    s3_object,
)
from transforms.files.schemes import why_unsupported
from transforms.stages.faults import is_missing, is_transient
from transforms.stages.retry import Retrier, RetriesExhaustedError, applied_resilience

P = ParamSpec("P")
T = TypeVar("T")

# Their objects appear when they are complete.
_OBJECT_STORES = ("azfs", "gs", "s3")
_WILDCARD = re.compile(r"[*?[]")
# What S3 gets in one request, in bytes. Parts have 5 MiB at least.
_MAX_SMALL = 8 << 20
# Copies inside a store take moments, and are looked at so often, in seconds.
_POLL_SECONDS = 0.2


def open_file(path: str) -> BinaryIO:
    """Opens a file for reading its bytes as they are. Is not retried.

    Raises:
      ValueError: there is no filesystem for it; the message says what to do.
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
    """Opens a new file for writing; it is there when it is closed. Is not retried.

    Args:
      path: of the file.
      compression: one of Beam's types; on HDFS, Beam itself would always take gzip.
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
    """Returns whether a file at this path is there only when all of it has been written."""
    return FileSystems.get_scheme(path) in _OBJECT_STORES


def write_file(path: str, data: bytes) -> None:
    """Writes a small file, with retries."""

    def write() -> None:
        with create(path) as file:
            file.write(data)

    retried("write", write)


def exists(path: str) -> bool:
    """Returns whether there is a file.

    Of the stores that are known here, the metadata says so: Beam's own answer is an error for
    Azure, and for HDFS it is no when the server does not answer.

    Raises:
      Exception: whatever the filesystem raises if that cannot be found out.
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
    """Returns the size of a file, in bytes, and where Beam knows it, when it was written."""

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

    A folder that does not exist has none; HDFS says that it is missing.
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
        # Beam's own lists folders as files, and nothing of what is in them.
        filesystem._list = functools.partial(_hdfs_files, filesystem)
        if _WILDCARD.search(pattern) is None and not pattern.endswith("/"):
            return list(_hdfs_files(filesystem, pattern))
    (result,) = filesystem.match([pattern])
    return list(result.metadata_list)


def _hdfs_metadata(filesystem: Any, url: str) -> FileMetadata:
    """Asks for a file; Beam's own takes every error of the server for a file that is missing."""
    status = filesystem._hdfs_client.status(filesystem._parse_url(url)[1])
    return FileMetadata(url, status["length"], status["modificationTime"] / 1000)


def _hdfs_files(filesystem: Any, url: str) -> Iterator[FileMetadata]:
    """Yields a file, or all files below a folder."""
    pending = [url.rstrip("/")]
    client = filesystem._hdfs_client
    # Each request is retried by itself: of many, one would always fail.
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
    """Returns the names and the status of what is in a folder; nothing if it is gone by now."""
    client, path = hdfs_file(filesystem, url)
    try:
        return list(retried("read", client.list, path, status=True))
    except Exception as error:  # of the client's own
        if is_missing(error):
            return []
        raise


def rename(source: str, target: str) -> None:
    """Renames a file, replacing what is at `target`. Object stores copy it and delete `source`.

    Raises:
      Exception: whatever the filesystem raises; `target` is then what it was, except on a
        filesystem of which nothing is known and which does not rename onto a file.
    """
    filesystem = retried("write", FileSystems.get_filesystem, source)
    replace = _RENAMES.get(filesystem.scheme(), _rename)
    tried = False

    def attempt() -> None:
        nonlocal tried
        if tried and not exists(source) and exists(target):
            return  # the last attempt has done it, and its answer was lost
        tried = True
        replace(filesystem, source, target)

    retried("write", attempt)


def delete(paths: Iterable[str]) -> None:
    """Deletes files; those that are not there are none.

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
      stage: to which the work belongs, see `transforms.stages.chaos`.
      work: the function; what follows are its arguments.

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
        # Some do not rename onto a file; what else it may be shows again.
        if filesystem.scheme() in _REPLACING or is_missing(error) or not exists(target):
            raise
        filesystem.delete([target])
        filesystem.rename([source], [target])


# Of these, a file replaces another one under its name as a whole.
_REPLACING = ("s3", "gs")


def _rename_azure(filesystem: Any, source: str, target: str) -> None:
    """Renames a blob. Beam copies from the public address of the account, whatever the endpoint."""
    original, copy = azure_blob(filesystem, source), azure_blob(filesystem, target)
    copy.start_copy_from_url(original.url)
    while (status := copy.get_blob_properties().copy.status) == "pending":
        time.sleep(_POLL_SECONDS)
    if status != "success":
        raise OSError(f"{target}: the copy has ended with {status}")
    original.delete_blob()


def _rename_gcs(filesystem: Any, source: str, target: str) -> None:
    """Renames an object. Beam sends batches, which are larger, and whose errors have no headers."""
    original, copy = gcs_blob(filesystem, source), gcs_blob(filesystem, target)
    token = None
    while True:
        token, _, _ = copy.rewrite(original, token=token)
        if token is None:
            break
    original.delete()


def _rename_hdfs(filesystem: Any, source: str, target: str) -> None:
    client, path = hdfs_file(filesystem, source)
    rename_in_hdfs(client, path, hdfs_file(filesystem, target)[1])


_RENAMES: dict[str, Callable[[Any, str, str], None]] = {
    "azfs": _rename_azure,
    "gs": _rename_gcs,
    "hdfs": _rename_hdfs,
}


def _delete(path: str) -> None:
    """Deletes a file in one request; Beam first looks whether it is a folder, or a pattern."""
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
    """A new object of S3: put in one request if it is small, or empty, and else in parts.

    Beam always uploads in parts, at least one, which are three requests or more.
    """

    def __init__(self, path: str, filesystem: Any):
        self._path, self._filesystem = path, filesystem
        self._file: BinaryIO | None = None
        self._small = bytearray()
        self._position = 0
        self.mode = "wb"  # which files of Beam's look for

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
