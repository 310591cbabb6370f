"""A proxy between a client and a server of HTTP that breaks some of the answers.

Which requests it breaks, and how, follows from a seed and the order in which they come.
"""

import contextlib
import http.client
import random
import socket
import struct
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NoReturn

from tests.support.cli import GIVE_UP

# Headers that are about one connection.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}
# How long a slow answer takes, in seconds.
_SLOW_SECONDS = 0.2
#: What can happen to a request: the server is busy; the connection is reset before the server has
#: seen it; reset behind that, so that the answer is lost; the answer comes late; it is cut off.
TRANSIENT_FAULTS = ("503", "reset", "lost", "slow", "truncated")


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to a server of this machine.

    Args:
      upstream: the port of the server.
      rate: the share of requests that are broken.
      faults: what happens to them: `TRANSIENT_FAULTS`, or the status of an answer.
      seed: decides which, and how.
      on_request: called with the number of each request before it is passed on, one at a time.
      on_forward: called with the method and the decoded target of each request that is passed on,
        which waits until it returns.

    Attributes:
      port: of the proxy.
      seen: how often each fault has happened, and under the empty string how many requests came.
    """

    daemon_threads = True

    def __init__(
        self,
        upstream: int,
        rate: float = 0.2,
        faults: Sequence[str] = TRANSIENT_FAULTS,
        seed: int = 0,
        on_request: Callable[[int], None] = lambda number: None,
        on_forward: Callable[[str, str], None] = lambda method, target: None,
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.port = upstream, self.server_port
        self.seen: Counter[str] = Counter()
        self._rate, self._faults, self._random = rate, faults, random.Random(seed)
        self._on_request, self._lock = on_request, threading.Lock()
        self.on_forward = on_forward

    def next_fault(self) -> str:
        """Returns what happens to the next request; an empty string if nothing does."""
        with self._lock:
            self.seen[""] += 1
            fault = ""
            if self._random.random() < self._rate:
                fault = self._random.choice(self._faults)
                self.seen[fault] += 1
            self._on_request(self.seen[""])
            return fault

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients go away


@contextlib.contextmanager
def serving(proxy: FaultyProxy) -> Iterator[FaultyProxy]:
    """The proxy serves inside the ``with`` block."""
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def _handle(self) -> None:
        body = self._body()
        fault = self.server.next_fault()
        if fault == "reset":
            self._reset()
        if fault.isdecimal():
            self._answer(int(fault), {"Content-Type": "text/plain", "Retry-After": "0"}, b"busy")
            return
        status, headers, data = self._forward(body)
        if fault == "lost":
            self._reset()
        if fault == "slow":
            time.sleep(_SLOW_SECONDS)
        self._answer(status, headers, data, cut=fault == "truncated" and len(data) > 1)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if not name.startswith("do_"):  # do_GET and so on
            raise AttributeError(name)
        return self._handle

    def log_message(self, *args: object) -> None:
        pass

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Returns the status, the headers and the body of the server's answer."""
        self.server.on_forward(self.command, urllib.parse.unquote(self.path))
        server = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=GIVE_UP)
        with contextlib.closing(server):
            kept = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {*_HOP_BY_HOP, "content-length", "expect"}
            }
            try:
                server.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in {**kept, "Content-Length": str(len(body))}.items():
                    server.putheader(name, value)
                server.endheaders(body)
                answer = server.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            except OSError:  # the server is not there
                self._reset()

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False
    ) -> None:
        is_head = self.command == "HEAD"
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                self.send_header(name, value)
        length = next((v for n, v in headers.items() if n.lower() == "content-length"), "")
        if status not in (204, 304):
            self.send_header("Content-Length", length if is_head and length else str(len(data)))
        self.end_headers()
        if not is_head:
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._reset()

    def _reset(self) -> NoReturn:
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        raise ConnectionResetError
