"""The live line on standard error: how far a run is, how fast, and how long it will still take.

It shows what readers publish through `beam_pipeline.monitor.read_progress`, because local metrics
arrive only when everything is done. Both the bytes read and their total are those of the files as
they are stored, so that the line is also right for compressed files.
"""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from beam_pipeline.monitor.read_progress import ProgressSnapshot


@contextlib.contextmanager
def progress_line(console: Console | None = None) -> Iterator[Callable[[ProgressSnapshot], None]]:
    """Shows a line inside the ``with`` block, and removes it afterwards.

    Args:
      console: where to show it; by default on standard error. Nothing is shown if it is not a
        terminal.

    Yields:
      A function that updates the line to a snapshot.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    line = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        expand=True,
        # The caller refreshes the line, and standard output stays that of the run.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = line.add_task(stage_of(ProgressSnapshot()), total=None)

    def show(progress: ProgressSnapshot) -> None:
        done, total = progress.bytes_read, progress.bytes
        if total is not None:
            done = min(done, total)  # what was read twice counts twice
        line.update(task, description=stage_of(progress), completed=done, total=total)
        line.refresh()

    with line:
        yield show


def stage_of(progress: ProgressSnapshot) -> str:
    """Returns what a run is doing whose reading has come so far."""
    if progress.listed_at is None and progress.first_read_at is None:
        return "starting"
    if progress.bytes is not None and progress.bytes_read >= progress.bytes:
        return "finishing"
    return "reading"
