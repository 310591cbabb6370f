"""Writes a report to a file: JSON for programs, HTML for readers."""

from collections.abc import Iterable

from beam_pipeline.errors import OutputError, ReportError
from beam_pipeline.io.publishing import write_whole
from beam_pipeline.report.model import RunReport, to_json

#: The extensions that the path of a report may have.
EXTENSIONS = (".json", ".html")


def write_all(report: RunReport, paths: Iterable[str]) -> None:
    """Writes a report to each of the paths, as `write` does, even if one of them fails.

    Raises:
      ReportError: one of them cannot be written.
    """
    errors = []
    for path in paths:
        try:
            write(report, path)
        except ReportError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def write(report: RunReport, path: str) -> None:
    """Writes a report atomically, in the format that the extension of `path` names.

    Raises:
      ReportError: it cannot be written.
    """
    if path.lower().endswith(".html"):
        # Imported only here, as the chart library takes a while to load.
        from beam_pipeline.report.html import to_html

        text = to_html(report)
    else:
        text = to_json(report)
    try:
        write_whole(path, text.encode())
    except OutputError as error:
        raise ReportError(str(error)) from error
