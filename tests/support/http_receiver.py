"""A small HTTP server in a process of its own, which keeps what is sent to it.

python -m tests.support.http_receiver FOLDER {take,refuse,hang}

writes its port to FOLDER/port, and each body to FOLDER/NUMBER-LAST_PART_OF_THE_PATH.
"""

import contextlib
import http.server
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.cli import ROOT

_PATIENCE = 120  # seconds


class Receiver(NamedTuple):
    """Where a server is, and the folder of what it has received."""

    url: str
    folder: Path

    def bodies(self, kind: str) -> list[bytes]:
        """Returns what has been sent to paths that end so, in order."""
        paths = sorted(self.folder.glob(f"*-{kind}"), key=lambda path: int(path.name.split("-")[0]))
        return [path.read_bytes() for path in paths]


@contextlib.contextmanager
def receiving(folder: Path, mode: str = "take") -> Iterator[Receiver]:
    """Serves inside the ``with`` block.

    Args:
      folder: an empty one, for what is received.
      mode: ``take`` answers 200, ``refuse`` 400, and ``hang`` nothing.
    """
    command = [sys.executable, "-m", "tests.support.http_receiver", str(folder), mode]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not (folder / "port").exists():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            yield Receiver(f"http://localhost:{(folder / 'port').read_text()}", folder)
        finally:
            process.kill()


def main() -> None:
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    numbers = itertools.count()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = f"{next(numbers)}-{self.path.rsplit('/', 1)[-1]}"
            (folder / f".{name}").write_bytes(body)
            (folder / f".{name}").replace(folder / name)
            if mode == "hang":
                threading.Event().wait()
            self.send_response(200 if mode == "take" else 400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    (folder / ".port").write_text(str(server.server_address[1]))
    (folder / ".port").replace(folder / "port")
    server.serve_forever()


if __name__ == "__main__":
    main()
