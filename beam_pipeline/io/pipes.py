"""Copies files that can be read only once, so that any process can read them repeatedly."""

import errno
import os
import stat
import tempfile
from io import BufferedReader
from pathlib import Path

from beam_pipeline.standard_streams import binary_stdin
from transforms.files.schemes import is_local

# Folders of pipes, devices, and names that mean another file in another process: /dev/stdin.
_OF_THIS_PROCESS = ("/dev/", "/proc/")
_READ_SIZE = 1 << 20  # bytes


def is_regular(path: str) -> bool:
    """Whether any process can read `path` repeatedly. This is so if it is not local.

    A path without a file is regular too; reading it raises its own error.
    """
    if not is_local(path) or not os.path.exists(path):
        return True
    of_this_process = os.path.abspath(path).startswith(_OF_THIS_PROCESS)
    return not of_this_process and (os.path.isdir(path) or stat.S_ISREG(os.stat(path).st_mode))


def copy_of_pipe(path: str, folder: str) -> str:
    """Copies a file that can be read only once: a FIFO, a device, ``/dev/stdin``.

    Args:
      path: the path of any file, on any Beam filesystem.
      folder: the folder for copies.

    Returns:
      The path of a copy of the same name, or `path` itself if no copy is needed.

    Raises:
      OSError: it cannot be read, or the copy cannot be written.
    """
    if is_regular(path):
        return path
    with open(path, "rb") as pipe:
        return _copy(pipe, os.path.basename(path), folder)


def copy_of_stdin(folder: str) -> str:
    """Copies standard input into a folder, and returns the path of the copy.

    Raises:
      OSError: it cannot be read, or the copy cannot be written.
    """
    return _copy(binary_stdin(), "stdin", folder)


def why_not_copied(error: OSError, folder: str) -> str:
    """Returns why a copy cannot be made, given the error of the system."""
    reason = str(error.strerror or error)
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return f"no room for a copy of it in {os.path.dirname(folder)} ({reason}); set TMPDIR"
    return reason


def _copy(stream: BufferedReader, name: str, folder: str) -> str:
    copy = Path(tempfile.mkdtemp(dir=folder, prefix="pipe-"), name)
    read = getattr(stream, "read1", stream.read)  # standard input may be anything
    with copy.open("wb") as file:
        # Stop at the first empty read: another one would wait for a second Ctrl-D on a terminal.
        while data := read(_READ_SIZE):
            file.write(data)
    return str(copy)
