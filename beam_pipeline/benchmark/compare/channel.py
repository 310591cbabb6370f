"""Messages between the harness and a worker: JSON objects, and texts, over one socket.

Not pickles: what an entry answers must not be able to run code in the harness.
"""

import json
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct("!Q")
_PART = 1 << 20
# No message is longer, in bytes: whoever says so does not keep to the rules.
_LONGEST = 1 << 33


class Channel:
    """One end of a socket. Every message has the length of its bytes before it."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._deadline: float | None = None

    def limit(self, seconds: float | None) -> None:
        """Whatever is sent and received from now on must be done in so many `seconds`."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def send(self, message: Any) -> None:
        """Sends a `message` of what JSON knows.

        Raises:
          TypeError, ValueError: JSON does not know it; nothing has been sent.
          OSError: nobody listens any more, or (TimeoutError) not in time.
        """
        self.send_text(json.dumps(message, allow_nan=False).encode())

    def send_text(self, data: bytes) -> None:
        """Sends a text, in UTF-8."""
        self._set_timeout()
        self._connection.sendall(_LENGTH.pack(len(data)))
        self._set_timeout()
        self._connection.sendall(data)

    def receive(self) -> Any:
        """-> the next message.

        Raises:
          EOFError: the other end is closed.
          TimeoutError: it has not come in time, whole.
          ValueError: it is no JSON.
        """
        try:
            return json.loads(self.receive_text())
        except RecursionError as error:
            raise ValueError("JSON of too many levels") from error

    def receive_text(self) -> str:
        """-> the next text."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes")
        return str(self._exactly(length), "utf-8")

    def close(self) -> None:
        self._connection.close()

    def _exactly(self, length: int) -> bytearray:
        data = bytearray(length)
        view = memoryview(data)
        filled = 0
        while filled < length:
            self._set_timeout()
            received = self._connection.recv_into(view[filled : filled + _PART])
            if not received:
                raise EOFError("the other end is closed")
            filled += received
        return data

    def _set_timeout(self) -> None:
        if self._deadline is None:
            self._connection.settimeout(None)
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("not in time")
        self._connection.settimeout(left)
