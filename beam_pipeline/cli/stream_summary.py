"""The summary of a run over a stream that has ended: a line of text, or JSON."""

import json
from typing import TYPE_CHECKING

from rich.filesize import decimal

from beam_pipeline.pages.text import counted
from beam_pipeline.redaction import redact
from beam_pipeline.standard_streams import print_message, printable

if TYPE_CHECKING:
    from beam_pipeline.stream_job import StreamOutcome


def print_stream_summary(outcome: "StreamOutcome", *, as_json: bool) -> None:
    """Prints the summary on standard error.

    Args:
      outcome: of the run.
      as_json: one line that is a JSON object, for machines.
    """
    print_message(to_json_line(outcome) if as_json else to_line(outcome))


def to_json_line(outcome: "StreamOutcome") -> str:
    """Returns the figures as a JSON object in one line."""
    event = {
        "event": "done",
        "runner": outcome.runner,
        "wall_seconds": round(outcome.seconds, 3),
        "messages": outcome.progress.messages,
        "bytes": outcome.progress.bytes,
        "windows": outcome.windows,
        "output": redact(outcome.output),
    }
    return json.dumps(event)


def to_line(outcome: "StreamOutcome") -> str:
    """Returns the figures as a line of text."""
    read = counted(outcome.progress.messages, "message")
    windows = counted(outcome.windows, "window")
    return printable(
        f"done in {outcome.seconds:.1f} s on {outcome.runner}: {read}, "
        f"{decimal(outcome.progress.bytes)}; {windows} in {redact(outcome.output)}"
    )
