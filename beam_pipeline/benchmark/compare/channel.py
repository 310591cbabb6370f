"""Messages between the comparison and a worker: JSON objects and texts over one socket.

They are not pickles, since an answer must not be able to run code in the process that judges it.
"""

import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

_LENGTH = struct.Struct("!Q")
_PART_BYTES = 1 << 20


class Channel:
    """One end of a socket. The length of each message, in bytes, is sent before it.

    Args:
      connection: the socket.
      clock: seconds since some moment; never goes back.
      max_bytes: of a message that is received; None is no limit, for an end that trusts the other.
    """

    def __init__(
        self,
        connection: socket.socket,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: int | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._max_bytes = max_bytes
        self._deadline: float | None = None

    def limit(self, seconds: float | None) -> None:
        """Sets the time for all that is sent and received from now on; None is no limit."""
        self._deadline = None if seconds is None else self._clock() + seconds

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
          TypeError: JSON has no form for it. Nothing has been sent.
          ValueError: the same.
          OSError: the other end is closed, or, as TimeoutError, the time is over.
        """
        self.send_text(json.dumps(message, allow_nan=False).encode())

    def send_text(self, data: bytes) -> None:
        """Sends a text in UTF-8.

        Raises:
          OSError: the other end is closed, or, as TimeoutError, the time is over.
        """
        self._set_timeout()
        self._connection.sendall(_LENGTH.pack(len(data)))
        self._set_timeout()
        self._connection.sendall(data)

    def receive(self) -> Any:
        """Waits for a message, and returns it.

        Raises:
          EOFError: the other end is closed.
          TimeoutError: the whole message did not arrive in time.
          ValueError: it is not JSON.
        """
        try:
            return json.loads(self.receive_text(), parse_constant=_refuse)
        except RecursionError as error:
            raise ValueError("JSON of too many levels") from error

    def receive_text(self) -> str:
        """Waits for a text, and returns it. Raises what `receive` does."""
        (length,) = _LENGTH.unpack(self._receive_bytes(_LENGTH.size))
        if self._max_bytes is not None and length > self._max_bytes:
            raise ValueError(f"a message of {length} bytes; at most {self._max_bytes} are read")
        return str(self._receive_bytes(length), "utf-8")

    def close(self) -> None:
        """Closes the socket."""
        self._connection.close()

    def _receive_bytes(self, length: int) -> bytearray:
        data = bytearray(length)
        view = memoryview(data)
        filled = 0
        while filled < length:
            self._set_timeout()
            received = self._connection.recv_into(view[filled : filled + _PART_BYTES])
            if not received:
                raise EOFError("the other end is closed")
            filled += received
        return data

    def _set_timeout(self) -> None:
        if self._deadline is None:
            self._connection.settimeout(None)
            return
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError("not in time")
        self._connection.settimeout(left)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
