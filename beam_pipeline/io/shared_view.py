"""Checks that workers see the same input files as the program that begins the run.

Workers on other machines may have another folder, or nothing, at the same path. Without this check,
a run over no input would succeed.
"""

from typing import NamedTuple

from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count, Totals


class InputSize(NamedTuple):
    """The amount of input: the number of files, and their stored size in bytes."""

    files: int
    bytes: int


def expect(side_outputs: SideOutputs | None, matched: InputSize | None) -> None:
    """Makes it an invariant of the run that its workers find the matched files.

    Args:
      side_outputs: the side outputs of the pipeline that is being built.
      matched: the input that the program that begins the run has found; None if it has not looked.
    """
    if side_outputs is not None and matched is not None:
        side_outputs.add_known(Count.FILES_MATCHED, matched.files)
        side_outputs.add_known(Count.BYTES_MATCHED, matched.bytes)


def count_found(totals: Totals, found: InputSize, matched: InputSize | None) -> str | None:
    """Counts the input that a worker has found, for the invariant.

    The invariant would fail the run at its end; the returned message allows the worker to fail
    before anything is read.

    Args:
      totals: the totals of the worker's bundle.
      found: the input that the worker has found.
      matched: as for `expect`.

    Returns:
      An error message if it is not the matched input, or None.
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
