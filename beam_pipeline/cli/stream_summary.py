"""The summary of a run over a stream that has ended: a line of text, or JSON."""

import json
from collections.abc import Sequence

from rich.filesize import decimal

from beam_pipeline.pages.text import counted
from beam_pipeline.redaction import redact
from beam_pipeline.report.model import RunReport, StreamFigures
from beam_pipeline.standard_streams import print_message, printable


def print_stream_summary(
    report: RunReport, output: str, reports: Sequence[str], *, as_json: bool
) -> None:
    """Prints the summary on standard error.

    Args:
      report: the report of the run.
      output: the folder of its windows.
      reports: the paths of its reports.
      as_json: whether to print a JSON object in one line.
    """
    to_text = to_json_line if as_json else to_line
    print_message(to_text(report, output, reports))


def to_json_line(report: RunReport, output: str, reports: Sequence[str]) -> str:
    """Returns the figures as a JSON object in one line."""
    figures = _figures(report)
    event = {
        "event": report.status,
        "runner": report.runner,
        "wall_seconds": round(report.wall_seconds, 3),
        "messages": figures.messages,
        "bytes": figures.bytes,
        "windows": figures.windows,
        "output": redact(output),
        "reports": list(map(redact, reports)),
    }
    return json.dumps(event)


def to_line(report: RunReport, output: str, reports: Sequence[str]) -> str:
    """Returns the figures as a line of text."""
    figures = _figures(report)
    read = ""
    if figures.messages is not None and figures.bytes is not None:
        read = f"{counted(figures.messages, 'message')}, {decimal(figures.bytes)}; "
    line = (
        f"done in {report.wall_seconds:.1f} s on {report.runner}: {read}"
        f"{counted(figures.windows or 0, 'window')} in {redact(output)}"
    )
    if reports:
        line += f", {'report' if len(reports) == 1 else 'reports'} in "
        line += " and ".join(map(redact, reports))
    return printable(line)


def _figures(report: RunReport) -> StreamFigures:
    assert report.stream is not None
    return report.stream
