"""A filesystem whose server is always busy."""

from typing import Any

from apache_beam.io.localfilesystem import LocalFileSystem

#: What has been asked for, since a test has cleared it.
ATTEMPTS: list[str] = []


class BusyStore(LocalFileSystem):
    """Files under URLs that begin with ``busy://``."""

    @classmethod
    def scheme(cls) -> str:
        return "busy"

    def match(self, patterns: Any, limits: Any = None) -> Any:
        ATTEMPTS.append("match")
        raise ConnectionError("busy")

    def open(self, path: str, *args: Any, **kwargs: Any) -> Any:
        ATTEMPTS.append("open")
        raise ConnectionError("busy")

    def exists(self, path: str) -> bool:
        ATTEMPTS.append("exists")
        raise ConnectionError("busy")
