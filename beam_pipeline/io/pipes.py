"""Files that can be read only once, and copies of them that any process can read any number of
times."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

# Here are pipes, devices, and names that mean another file in another process: /dev/stdin.
_OF_THIS_PROCESS = ("/dev/", "/proc/")


def is_regular(path: str) -> bool:
    """Whether any process may read `path` any number of times; so it may if it is not local.

    A path without a file is regular too, as reading it has its own error.
    """
    if FileSystems.get_scheme(path) is not None or not os.path.exists(path):
        return True
    of_this_process = os.path.abspath(path).startswith(_OF_THIS_PROCESS)
    return not of_this_process and (os.path.isdir(path) or stat.S_ISREG(os.stat(path).st_mode))


def copy_of_pipe(path: str, folder: str) -> str:
    """Copies what can be read only once: a FIFO, a device, ``/dev/stdin``.

    Args:
      path: of any file, on any Beam filesystem.
      folder: for copies.

    Returns:
      The path of a copy of the same name, or `path` itself where none is needed.

    Raises:
      OSError: it cannot be read.
    """
    if is_regular(path):
        return path
    copy = Path(tempfile.mkdtemp(dir=folder, prefix="pipe-"), os.path.basename(path))
    with open(path, "rb") as pipe, copy.open("wb") as file:
        shutil.copyfileobj(pipe, file)
    return str(copy)
