"""Reports to Beam which files a pipeline reads and writes, as Beam's own connectors do.

Runners show this as the metrics of `apache_beam.metrics.metric.Lineage`. Reports must be made while
a bundle is processed, and are dropped otherwise.
"""

import os
from collections.abc import Callable, Collection, Iterable

from apache_beam.io.filesystems import FileSystems

from transforms.files.schemes import is_local, local_path

# If there are more files, they are not named one by one, as in Beam, whose lineage is bounded too.
_MAX_NAMED = 10


def report_sources(paths: Collection[str], patterns: Iterable[str] = ()) -> None:
    """Reports files that are read.

    Args:
      paths: the paths of the files. If there are many, their folders are reported instead.
      patterns: patterns that match the files; reported instead if there are many folders too.
    """
    if len(paths) > _MAX_NAMED:
        folders = {f"{path.rpartition('/')[0]}/" for path in paths}
        paths = folders if len(folders) <= _MAX_NAMED or not patterns else tuple(patterns)
    _report(FileSystems.report_source_lineage, paths)


def report_sinks(paths: Collection[str], pattern: str) -> None:
    """Reports files that have been written.

    Args:
      paths: the paths of the files.
      pattern: a pattern that matches them; reported instead if there are many.
    """
    _report(FileSystems.report_sink_lineage, paths if len(paths) <= _MAX_NAMED else (pattern,))


def _report(report: Callable[[str], None], paths: Iterable[str]) -> None:
    for path in paths:
        path = local_path(path)
        if is_local(path):
            is_folder = path.endswith("/")
            path = os.path.join(os.path.abspath(path), "") if is_folder else os.path.abspath(path)
        # Metrics must be UTF-8, but file names can have any bytes.
        report(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
