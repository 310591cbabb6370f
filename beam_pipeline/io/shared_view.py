"""What the program that begins a run sees of its input files, and the workers must see too.

Workers on other machines may have another folder, or nothing, at the same path. Without a second
look a run over nothing would succeed.
"""

from typing import NamedTuple

from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count, Totals


class InputSize(NamedTuple):
    """How much there is to read: the number of files, and their bytes, as stored."""

    files: int
    bytes: int


def expect(side_outputs: SideOutputs | None, matched: InputSize | None) -> None:
    """Makes it an invariant of the run that its workers find what has been matched.

    Args:
      side_outputs: of the pipeline that is being built.
      matched: what the program that begins the run has found; None if it has not looked.
    """
    if side_outputs is not None and matched is not None:
        side_outputs.add_known(Count.FILES_MATCHED, matched.files)
        side_outputs.add_known(Count.BYTES_MATCHED, matched.bytes)


def count_found(totals: Totals, found: InputSize, matched: InputSize | None) -> str | None:
    """Counts what a worker has found, for the invariant.

    The invariant would fail the run in the end; this tells the worker before anything is read.

    Args:
      totals: of the worker's bundle.
      found: by the worker.
      matched: as for `expect`.

    Returns:
      What is wrong if it is not what has been matched; None if all is well.
    """
    if matched is None:
        return None
    totals.add(Count.FILES_FOUND, found.files)
    totals.add(Count.BYTES_FOUND, found.bytes)
    if found == matched:
        return None
    return (
        f"the workers find {_described(found)} there, and this program found "
        f"{_described(matched)}; give a path that they share, of files that do not change"
    )


def _described(size: InputSize) -> str:
    return f"{size.files:,} file{'s' * (size.files != 1)} of {size.bytes:,} bytes"
