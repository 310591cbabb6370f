"""Files whose opening and reading are retried, so that a transient error does not fail the run.

A read that fails is repeated from the position where it began. The code that reads, a
decompressor for example, does not notice.
"""

import contextlib
import functools
import io
from collections.abc import Callable
from typing import BinaryIO, cast

from transforms.files.clients import own_clients
from transforms.files.compression import open_raw, open_recognized
from transforms.files.decompression import HeadFile
from transforms.files.ranges import ReadAhead, Region
from transforms.files.recognition import HEAD_SIZE, is_plain_text
from transforms.stages.retry import Retrier


def _ignore(size: int) -> None:
    pass


def open_retrying(
    path: str,
    retrier: Retrier,
    on_read: Callable[[int], None] = _ignore,
    *,
    is_text: bool = True,
    region: Region | None = None,
    ahead: ReadAhead | None = None,
) -> HeadFile:
    """Opens a file for reading its decompressed bytes, with retries.

    Args:
      path: a path or URL on any Beam filesystem.
      retrier: the retrier of the stage that reads.
      on_read: called after each read with the number of bytes read, before they are decompressed.
      is_text: whether the file must be text. If not, it may have any format.
      region, ahead: as for `open_raw`.

    Returns:
      The file. Uncompressed files have no buffer, since their readers read whole blocks.

    Raises:
      EOFError: the file is empty under the extension of a compressed format.
      FormatError: it is not text, or not compressed as its extension says.
      RetriesExhaustedError: all attempts at opening it, or at reading its beginning, have failed.
    """
    opener = functools.partial(
        open_raw_retrying, retrier=retrier, on_read=on_read, region=region, ahead=ahead
    )
    size = None if region is None or region.start else region.end
    return open_recognized(path, opener, is_text=is_text, size=size)


def open_raw_retrying(
    path: str,
    retrier: Retrier,
    on_read: Callable[[int], None] = _ignore,
    region: Region | None = None,
    ahead: ReadAhead | None = None,
) -> BinaryIO:
    """Opens a file for reading its bytes as they are, with retries; see `open_retrying`."""
    unbuffered = functools.partial(open_raw, path, buffering=0, region=region, ahead=ahead)
    return cast(BinaryIO, RetryingFile(unbuffered, retrier, on_read))


def is_plain(path: str, retrier: Retrier) -> bool:
    """Returns whether a file begins like uncompressed text.

    Args:
      path: a path or URL on any Beam filesystem.
      retrier: the retrier of the stage that reads.

    Raises:
      RetriesExhaustedError: all attempts at reading its beginning have failed.
    """
    beginning = Region(path, end=HEAD_SIZE)
    with HeadFile(open_raw_retrying(path, retrier, region=beginning)) as file:
        return is_plain_text(file.head, path)


class RetryingFile(io.RawIOBase):
    """A file that is opened when it is first read, and read with retries.

    The retrier makes all its attempts for each read. Opening the file is part of the first read,
    and of each attempt after a failed one. A read raises `RetriesExhaustedError` when all its
    attempts have failed.

    Args:
      open_file: opens the file at its beginning.
      retrier: the retrier of the stage that reads.
      on_read: called after each read with the number of bytes read.
    """

    def __init__(
        self,
        open_file: Callable[[], BinaryIO],
        retrier: Retrier,
        on_read: Callable[[int], None] = _ignore,
    ):
        self._open_file = open_file
        self._retrier = retrier
        self._on_read = on_read
        self._file: BinaryIO | None = None
        self._position = 0
        # The position of the open file. It is ahead of `_position` if a read failed at its end.
        self._file_position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._retrier(self._read, size)
        self._position += len(data)
        if data:
            self._on_read(len(data))
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        self._position = offset + (self._retrier(self._size) if begin is None else begin)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._discard()
        super().close()

    def _size(self) -> int:
        self._discard()
        with own_clients(), self._open_file() as file:
            return file.seek(0, io.SEEK_END)

    def _read(self, size: int) -> bytes:
        """Makes one attempt, at the right position wherever the last attempt ended."""
        try:
            with own_clients():
                if self._file is None:
                    self._file = self._open_file()
                    if self._position:
                        self._file.seek(self._position)
                elif self._file_position != self._position:
                    self._file.seek(self._position)
                data = self._file.read(size)
            self._file_position = self._position + len(data)
            return data
        except Exception:
            self._discard()
            raise

    def _discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(Exception):  # closing a file that was only read loses nothing
                file.close()
