"""The results of a comparison."""

from dataclasses import dataclass, field

from beam_pipeline.benchmark.compare.accounting import Usage
from beam_pipeline.benchmark.compare.verdict import JudgedRun


@dataclass
class OrchestratorResult:
    """How an orchestrator did on one subject.

    Attributes:
      name: of the orchestrator.
      runs: all of them in order, on every kind of text.
      violations: rules that it breaks, each in a few words.
      remarks: more about them, in a line each.
      start_seconds: how long each start of its process took so far.
      start_cpu_seconds: processor time of each.
      cannot_start: why there are no runs; empty if there are.
      life: what the system has accounted for it from the first start to the end; None before.
    """

    name: str
    runs: list[JudgedRun] = field(default_factory=list)
    violations: set[str] = field(default_factory=set)
    remarks: tuple[str, ...] = ()
    start_seconds: list[float] = field(default_factory=list)
    start_cpu_seconds: list[float] = field(default_factory=list)
    cannot_start: str = ""
    life: Usage | None = None


@dataclass
class SubjectResult:
    """How all orchestrators did on one subject.

    Attributes:
      subject: its name.
      words: how many words its text has.
      size_bytes: of its text.
      orchestrators: one result each, in the order in which they were given.
    """

    subject: str
    words: int
    size_bytes: int
    orchestrators: list[OrchestratorResult]
