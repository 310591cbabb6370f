"""Expands the paths of options, and checks whether files can be written there.

Collisions between them are checked in `beam_pipeline.cli.collisions`.
"""

import os
import re

from beam_pipeline.cli.collisions import check_collisions
from beam_pipeline.errors import UsageError
from beam_pipeline.io.naming import is_temporary, links_of, target_of, why_not_followed
from beam_pipeline.options import PATHS, AnagramOptions, given_paths, is_streaming
from transforms.files.schemes import is_local, local_path, why_unsupported

#: The output that means standard output.
STDOUT = "-"
#: The options whose files are written.
WRITTEN = ("output", "dead_letters", "report")
# Folders whose files are open streams of a process.
_STREAMS = re.compile(r"/proc/\d+(/task/\d+)?/fd|/dev/fd")


def expand_paths(options: AnagramOptions) -> None:
    """Replaces ``~`` and ``file://`` in paths, in case the shell has not done so."""
    for name in PATHS:
        given = getattr(options, name)
        expand = _expand_dictionary if name == "dictionary" else expand_path
        if isinstance(given, str):
            setattr(options, name, expand(given))
        elif given is not None:
            setattr(options, name, [expand(path) for path in given])


def expand_path(path: str) -> str:
    """Returns a path with ``~`` and ``file://`` replaced.

    Example:
      >>> import os
      >>> expand_path("~/a.txt") == os.path.expanduser("~") + "/a.txt"
      True
      >>> expand_path("file:///tmp/a.txt")
      '/tmp/a.txt'
    """
    return os.path.expanduser(local_path(path))


def _expand_dictionary(spec: str) -> str:
    if os.path.exists(spec):
        return spec  # its name may have a plus sign
    return "+".join(map(expand_path, spec.split("+")))


def check_paths(options: AnagramOptions, *, local: bool) -> None:
    """Checks that all paths have filesystems, and that output files can be written.

    Args:
      options: the options of the run.
      local: whether the runner runs on this machine; others may have more filesystems.

    Raises:
      UsageError: a path is invalid; the message names the first option at fault.
    """
    for name in PATHS:
        for path in given_paths(options, name):
            if not os.path.isabs(path) and is_local(path) and not has_current_folder():
                message = "the current folder has been removed; change to another one"
                raise UsageError(message, setting=name, value=path)
            if not path:
                raise UsageError("is empty", setting=name, value=path)
            for part in path.split("+") if name == "dictionary" else [path]:
                if local and (fault := why_unsupported(part)) is not None:
                    raise UsageError(fault, setting=name, value=path)
    for name in WRITTEN:
        for path in given_paths(options, name):
            if name != "report" and is_streaming(options):
                fault = _why_no_folder(path)
            else:
                fault = "" if path == STDOUT else _why_not_writable(path)
            if fault:
                if name == "output" and "regular file" in fault:
                    fault += f"; --output={STDOUT} writes to standard output"
                raise UsageError(fault, setting=name, value=path)
    check_collisions(options)


def has_current_folder() -> bool:
    """Returns whether the current folder still exists."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _why_not_writable(path: str) -> str:
    """Returns why a file cannot be written; empty if it probably can."""
    if path.endswith("/"):
        return "is a folder; give the path of a file in it"
    if is_temporary(path):
        return "is named like a temporary file of this program"
    if not is_local(path):
        return ""
    if os.path.isdir(path):
        return "is a folder; give the path of a file in it"
    if any(_STREAMS.fullmatch(os.path.dirname(link)) for link in links_of(path)):
        return "is a stream and no regular file"
    if os.path.exists(path) and not os.path.isfile(path):
        return "is not a regular file"
    if (fault := why_not_followed(path)) is not None:
        return fault
    return _why_not_creatable(path, os.path.dirname(target_of(path)))


def _why_no_folder(path: str) -> str:
    """Returns why there can be no folder for the windows of a stream; empty if there can."""
    if not is_local(path):
        return ""
    return _why_not_creatable(path, os.path.abspath(path))


def _why_not_creatable(path: str, folder: str) -> str:
    """Returns why a folder cannot be written to or created; empty if it can.

    Args:
      path: the path as given.
      folder: the folder of the path.
    """
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        return f"{folder} is not a folder"
    home = path.partition("/")[0]
    if home.startswith("~") and "/" in path and not os.path.exists(home):
        return f"there is no home folder {home}; ./{home} is a folder of this name"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"no permission to write in {folder}"
    return ""
