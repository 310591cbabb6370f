"""The live line on standard error: how far a run is, how fast, how long it will take.

It shows what readers tell through `beam_pipeline.monitor.read_progress`, as local metrics come only
when all is done. Bytes are those of the files as they are stored, done and known alike, so that
the line is right for compressed files too.
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

from beam_pipeline.monitor.watch import RunMonitor


@contextlib.contextmanager
def progress_line(console: Console | None = None) -> Iterator[Callable[[RunMonitor], None]]:
    """Shows a line inside the ``with`` block, which is gone behind it.

    Args:
      console: where; by default standard error. Where it is no terminal, nothing is shown.

    Yields:
      What has to be called with what was seen of the run, whenever it has changed.
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
        # The one who calls refreshes; the runner's own standard output stays its own.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = line.add_task(stage_of(RunMonitor()), total=None)

    def show(watch: RunMonitor) -> None:
        level = watch.level
        done = level.bytes_read if level.bytes is None else min(level.bytes_read, level.bytes)
        line.update(task, description=stage_of(watch), completed=done, total=level.bytes)
        line.refresh()

    with line:
        yield show


def stage_of(watch: RunMonitor) -> str:
    """What a run that was seen like this is doing."""
    level = watch.level
    if level.planned is None and level.first is None:
        return "starting"
    if level.bytes is not None and level.bytes_read >= level.bytes:
        return "finishing"
    return "reading"
