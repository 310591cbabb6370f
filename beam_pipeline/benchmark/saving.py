"""Saves results in files that are replaced atomically."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from beam_pipeline.errors import UsageError

R = TypeVar("R")

#: The default folder for results, in the current folder.
FOLDER = "benchmark_results"


class SavedResults(Generic[R]):
    """The newest results, in memory and in a file that is replaced atomically.

    Args:
      path: the path that the user gave; by default a new file in `FOLDER`, or in the folder for
        temporary files if `FOLDER` cannot be created.
      command: the command, with which the name of a new file begins.

    Attributes:
      path: the path of the file.
      results: the newest results.
      is_complete: whether these are all results.
      is_saved: whether the file has them.
      problems: errors of writing files, each in one line.

    Raises:
      UsageError: the path cannot be written.
    """

    def __init__(self, path: Path | None, command: str):
        self.path = path or _new_path(command)
        self.results: list[R] = []
        self.is_complete = self.is_saved = False
        self.problems: list[str] = []
        self._text = ""
        try:
            temporary = _temporary(self.path.resolve())
            temporary.touch(exist_ok=False)
            temporary.unlink()
        except OSError as error:
            raise UsageError(str(error.strerror), setting="json", value=self.path) from None

    def keep(self, results: list[R], text: str, *, is_complete: bool) -> None:
        """Replaces the results by newer ones.

        Args:
          results: all results so far.
          text: the same results as text to save.
          is_complete: whether these are all results.
        """
        self.results, self.is_complete, self.is_saved = results, is_complete, False
        self._text = text
        self.save()

    def save(self) -> None:
        """Writes the newest results, if the file does not have them."""
        if self._text and not self.is_saved:
            self.problems.clear()
            self.is_saved = self.write(self.path, self._text.encode)

    def write(self, path: Path, make: Callable[[], bytes]) -> bool:
        """Writes a file, and returns whether this succeeded; if not, adds to `problems`."""
        try:
            write_whole(path, make())
        except OSError as error:
            self.problems.append(f"{path}: {error.strerror or error}")
            return False
        return True


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file atomically.

    A link is followed, and the mode of an existing file is kept.

    Raises:
      OSError: it cannot be written; an existing file is unchanged.
    """
    target = path.resolve()
    temporary = _temporary(target)
    try:
        with temporary.open("xb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")


def _new_path(command: str) -> Path:
    folder = Path(FOLDER)
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        folder = Path(tempfile.gettempdir())
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return folder / f"{command}-{moment}-{os.getpid()}.json"
