"""The folder for temporary files of a run.

Its lock file is locked until the run ends, in whatever way. So the folder of a run that was killed,
which may hold a copy of standard input, is known from others, and the next run removes it.
"""

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator

from beam_pipeline.io.locks import if_abandoned, run_lock
from transforms.errors import AnagramError

# On a network filesystem, a lock may be known only to the machine that holds it.
_PREFIX = f"anagrams-{os.uname().nodename}-"
_LOCK = ".anagrams-run.lock"


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """Yields a temporary folder, which is removed at the end of the run.

    Meanwhile it is the folder for temporary files of the process, so Beam and other libraries use
    it too.

    Raises:
      AnagramError: it cannot be created.
    """
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    with contextlib.ExitStack() as stack:
        try:
            _remove_abandoned(tempfile.gettempdir())
            folder = _new_folder(stack)
        except OSError as error:
            reason = error.strerror or error
            raise AnagramError(f"no temporary folder can be made ({reason}); set TMPDIR") from error
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        try:
            yield folder
        finally:
            tempfile.tempdir, variable = before
            if variable is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = variable


def _new_folder(stack: contextlib.ExitStack) -> str:
    while True:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        )
        # Without locks, as on some network filesystems, nobody else removes the folder.
        with contextlib.suppress(OSError):
            stack.enter_context(run_lock(os.path.join(folder, _LOCK)))
        if os.path.isdir(folder):  # otherwise another run has removed it before it was locked
            return folder


def _remove_abandoned(parent: str) -> None:
    """Removes the folders of this user's runs that were killed, as far as possible."""
    begin = glob.escape(os.path.join(parent, _PREFIX))
    # A folder without a lock file is not ours, whatever its name is.
    for lock in glob.glob(os.path.join(f"{begin}*", _LOCK)):
        folder = os.path.dirname(lock)
        with contextlib.suppress(OSError), if_abandoned(lock) as is_abandoned:
            if is_abandoned and os.lstat(folder).st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)
