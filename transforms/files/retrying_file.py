"""A file that is read in spite of faults: each read is attempted again where it had begun."""

import contextlib
import functools
import io
from collections.abc import Callable
from typing import BinaryIO, cast

from transforms.files.compression import open_decompressed, open_raw
from transforms.stages.retry import Retrier


def _ignore(size: int) -> None:
    pass


def open_retrying(
    path: str, retrier: Retrier, on_read: Callable[[int], None] = _ignore
) -> BinaryIO:
    """Opens `path` for reading its decompressed bytes; the rest is as `RetryingFile` has it.

    Plain files have no buffer, which would only be in the way of those who read whole blocks.
    """

    def retrying(path: str) -> BinaryIO:
        unbuffered = functools.partial(open_raw, path, buffering=0)
        return cast(BinaryIO, RetryingFile(unbuffered, retrier, on_read))

    return open_decompressed(path, retrying)


class RetryingFile(io.RawIOBase):
    """The bytes of a file; opening it, and each read, has all attempts of its own.

    Args:
      open_file: opens the file from its beginning.
      retrier: of the stage that reads.
      on_read: called with the number of bytes whenever some have been read.

    Raises (when it reads):
      RetriesExhaustedError: all attempts at one read have failed.
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
        self._reached = 0  # by the open file; ahead of the position if a fault struck behind a read

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
        with self._open_file() as file:
            return file.seek(0, io.SEEK_END)

    def _read(self, size: int) -> bytes:
        # Whatever the last attempt left behind, this one is made at the right place.
        try:
            if self._file is None:
                self._file = self._open_file()
                if self._position:
                    self._file.seek(self._position)
            elif self._reached != self._position:
                self._file.seek(self._position)
            data = self._file.read(size)
            self._reached = self._position + len(data)
            return data
        except Exception:
            self._discard()
            raise

    def _discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(Exception):  # nothing can be lost by closing what was read
                file.close()
