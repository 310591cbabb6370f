"""One run of an orchestrator on one text."""

import enum
from dataclasses import dataclass, field


class Status(str, enum.Enum):
    """How a run ended: with an answer or without, beyond its time, or with its process."""

    DONE = "done"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Run:
    """One run of an orchestrator on one text. All but `reported_ms` is measured from outside.

    Attributes:
      status: ``failed`` is an exception, or an answer of another form than agreed.
      seconds: from the first byte of the text sent until the whole answer had arrived.
      handover_seconds: the part of `seconds` until the worker confirmed that it had the text.
      peak_bytes: the most memory that the whole process tree had.
      growth_bytes: `peak_bytes` less what the tree had before.
      peak_process_bytes: the most memory that any one process had.
      cpu_seconds: processor time of the whole tree.
      counts: the answer.
      reported_ms: the runtime in milliseconds that the orchestrator reports.
      error: what went wrong, in one line.
    """

    status: Status
    seconds: float = 0.0
    handover_seconds: float = 0.0
    peak_bytes: int = 0
    growth_bytes: int = 0
    peak_process_bytes: int = 0
    cpu_seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    reported_ms: float = 0.0
    error: str = ""
