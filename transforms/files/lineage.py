"""Tells Beam which files a pipeline reads and writes, as Beam's own connectors do.

Runners show that as the metrics of `apache_beam.metrics.metric.Lineage`. It must be told by a
function that is processing a bundle, and is dropped elsewhere.
"""

import os
from collections.abc import Callable, Collection, Iterable

from apache_beam.io.filesystems import FileSystems

from transforms.files.schemes import is_local, local_path

# More files are not named one by one, as in Beam: what it tells has a bound of its own.
_MAX_NAMED = 10


def report_sources(paths: Collection[str], patterns: Iterable[str] = ()) -> None:
    """Tells that files are read.

    Args:
      paths: of the files. Of many, only the folders are named.
      patterns: that match them; named instead where there are many folders too.
    """
    if len(paths) > _MAX_NAMED:
        folders = {f"{path.rpartition('/')[0]}/" for path in paths}
        paths = folders if len(folders) <= _MAX_NAMED or not patterns else tuple(patterns)
    _report(FileSystems.report_source_lineage, paths)


def report_sinks(paths: Collection[str], pattern: str) -> None:
    """Tells that files have been written.

    Args:
      paths: of the files.
      pattern: that matches them; named instead where there are many.
    """
    _report(FileSystems.report_sink_lineage, paths if len(paths) <= _MAX_NAMED else (pattern,))


def _report(report: Callable[[str], None], paths: Iterable[str]) -> None:
    for path in paths:
        path = local_path(path)
        if is_local(path):
            is_folder = path.endswith("/")
            path = os.path.join(os.path.abspath(path), "") if is_folder else os.path.abspath(path)
        report(path)
