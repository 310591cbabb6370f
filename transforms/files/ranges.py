"""Reads files of stores by large ranges, several at a time, and a small file with one request.

Beam requests the size of each file before it reads, and then far more bytes than are read. Here the
size is known from the listing of the run. Requests reach a little beyond it, so that a shorter
answer shows that the file ends there.
"""

import functools
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from apache_beam.io.filesystems import FileSystems

from transforms.files import stores
from transforms.files.clients import as_thread, own_clients, this_thread
from transforms.files.objects import azure_blob, gcs_blob, hdfs_file, s3_object
from transforms.files.schemes import is_local
from transforms.stages.faults import http_status

# The maximum size of a request, in bytes.
_CHUNK = 8 << 20
# How many bytes are requested beyond the end of a range; its last word usually ends there.
_BEYOND = 1 << 16
# How many requests a thread may have under way, and for how many bytes in total.
_MAX_AHEAD = 8
_MAX_AHEAD_BYTES = 4 * _CHUNK
# The number of files whose beginning is cached.
_MAX_BEGINNINGS = 16
_RANGE_NOT_SATISFIABLE = 416


class Region(NamedTuple):
    """The part of a file that is going to be read.

    Attributes:
      path: the path of the file.
      start: the first byte. The beginning of the file may be read too, to recognize its format.
      end: the end, exclusive; reading may go a little further. None if unknown.
    """

    path: str
    start: int = 0
    end: int | None = None


class _Request(NamedTuple):
    path: str
    start: int
    length: int


def is_read_by_ranges(path: str) -> bool:
    """Returns whether a file is on a store that can be read by ranges here."""
    return not is_local(path) and FileSystems.get_scheme(path) in _FETCHERS


class RangedFile(io.RawIOBase):
    """A file on a store. Reading is not retried.

    Args:
      region: the part that is going to be read.
      ahead: requests that have been made already; by default none.
    """

    def __init__(self, region: Region, ahead: "ReadAhead | None" = None):
        self._region, self._ahead = region, ahead or ReadAhead()
        self._position = self._begin = 0
        self._data = b""  # from _begin on
        self._size: int | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            if self._size is None:
                self._size = stores.metadata(self._region.path).size_in_bytes
            offset += self._size
        self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return self.readall()
        if not size or self._position == self._size:
            return b""
        index = self._position - self._begin
        if not 0 <= index < len(self._data):
            self._fetch(size)
            index = 0
        data = self._data[index : index + size]
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _fetch(self, size: int) -> None:
        request = _request(self._region, self._position, size)
        self._begin, self._data = self._position, b""
        if self._position == 0 < self._region.start:
            self._data = self._ahead.beginning(request)
            return
        self._data = data = self._ahead.take(request)
        if len(data) < request.length:
            self._size = self._position + len(data)
        elif (end := self._region.end) is not None and self._position >= self._region.start:
            following = self._position + len(data)
            self._ahead.ask(
                _request(self._region, start, _BEYOND) for start in range(following, end, _CHUNK)
            )


class ReadAhead:
    """Requests under way for bytes that will be read next. If they fail, they are made again.

    Args:
      beginnings: a cache of the beginnings of files, for files of which several regions are read.
    """

    def __init__(self, beginnings: dict[str, bytes] | None = None):
        self._pending: deque[tuple[_Request, Future[bytes]]] = deque()
        self._beginnings = {} if beginnings is None else beginnings

    def beginning(self, request: _Request) -> bytes:
        """Returns the answer to a request for the beginning of a file, cached for all regions."""
        if (known := self._beginnings.get(request.path)) is None:
            known = fetch(*request)
            while len(self._beginnings) >= _MAX_BEGINNINGS:
                del self._beginnings[next(iter(self._beginnings))]
            self._beginnings[request.path] = known
        return known

    def ask(self, requests: Iterable[_Request]) -> None:
        """Makes requests in other threads, unless too many are under way."""
        known = {request for request, _ in self._pending}
        under_way = sum(request.length for request in known)
        for request in requests:
            if request in known:
                continue
            if len(self._pending) >= _MAX_AHEAD or under_way + request.length > _MAX_AHEAD_BYTES:
                return
            under_way += request.length
            future = _threads().submit(_fetch_as, this_thread(), request)
            self._pending.append((request, future))

    def take(self, request: _Request) -> bytes:
        """Returns the answer to a request, which is made now unless it is under way.

        Earlier requests are dropped.
        """
        if any(request == asked for asked, _ in self._pending):
            while self._pending:
                asked, future = self._pending.popleft()
                if asked == request:
                    with suppress(Exception):  # each client raises its own; another attempt follows
                        return future.result()
                    break
                future.cancel()
        return fetch(*request)

    def close(self) -> None:
        """Cancels requests that have not begun."""
        while self._pending:
            self._pending.popleft()[1].cancel()


@contextmanager
def reading_ahead(
    regions: Iterable[Region], beginnings: dict[str, bytes]
) -> Iterator[Callable[[], ReadAhead]]:
    """Inside, the first bytes of regions are requested before they are read.

    Args:
      regions: the regions, which are read one after the other, in this order.
      beginnings: a cache of the beginnings of files, for files of which other regions are read too.

    Yields:
      A function to call before each region is read; it returns the argument for its `RangedFile`.
    """
    ahead = ReadAhead(beginnings)
    left = deque(regions)

    def before_next() -> ReadAhead:
        ahead.ask(_request(region, region.start, _BEYOND) for region in left)
        left.popleft()
        return ahead

    try:
        yield before_next
    finally:
        ahead.close()


def _request(region: Region, position: int, size: int) -> _Request:
    """Returns the request for `size` bytes that are needed at a position."""
    path, start, end = region
    if position < start:  # the beginning is only read to recognize the format
        return _Request(path, position, size)
    if end is None or position >= end:
        length = _CHUNK if end is None else max(size, _BEYOND)
    else:
        length = end + _BEYOND - position
    return _Request(path, position, length if length <= _CHUNK + _BEYOND else _CHUNK)


def fetch(path: str, start: int, length: int) -> bytes:
    """Returns a range of a file with one request; less than `length` bytes if the file ends.

    Raises:
      Exception: whatever the client of the store raises.
    """
    with own_clients():
        filesystem = FileSystems.get_filesystem(path)
        try:
            return _FETCHERS[filesystem.scheme()](filesystem, path, start, length)
        except Exception as error:  # each client raises its own
            if http_status(error) == _RANGE_NOT_SATISFIABLE or _OUT_OF_RANGE in str(error):
                return b""  # it ends before
            raise


# HDFS has this in its message, and no status.
_OUT_OF_RANGE = "out of the range"


def _fetch_as(thread: Any, request: _Request) -> bytes:
    with as_thread(thread):
        return fetch(*request)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Returns the threads of this process that make requests for others."""
    return ThreadPoolExecutor(_MAX_AHEAD, "read-ahead")


def _fetch_s3(filesystem: Any, path: str, start: int, length: int) -> bytes:
    client, place = s3_object(filesystem, path)
    answer = client.get_object(**place, Range=f"bytes={start}-{start + length - 1}")
    return bytes(answer["Body"].read())


def _fetch_gcs(filesystem: Any, path: str, start: int, length: int) -> bytes:
    blob = gcs_blob(filesystem, path)
    end = start + length - 1
    return bytes(blob.download_as_bytes(start=start, end=end, raw_download=True, checksum=None))


def _fetch_azure(filesystem: Any, path: str, start: int, length: int) -> bytes:
    blob = azure_blob(filesystem, path)
    return bytes(blob.download_blob(offset=start, length=length).readall())


def _fetch_hdfs(filesystem: Any, path: str, start: int, length: int) -> bytes:
    client, hdfs_path = hdfs_file(filesystem, path)
    with client.read(hdfs_path, offset=start, length=length) as answer:
        return bytes(answer.read())


_FETCHERS: dict[str, Callable[[Any, str, int, int], bytes]] = {
    "azfs": _fetch_azure,
    "gs": _fetch_gcs,
    "hdfs": _fetch_hdfs,
    "s3": _fetch_s3,
}
