"""What came out of a comparison."""

from dataclasses import dataclass, field

from beam_pipeline.benchmark.compare.verdict import JudgedRun


@dataclass
class OrchestratorResult:
    """How an orchestrator did on one subject.

    Attributes:
      name: of the orchestrator.
      runs: all of them in order, on every kind of text.
      violations: rules of the interface that it breaks, each in a few words.
      start_seconds: how long each start of its process took so far.
      cannot_start: why there are no runs; empty if there are.
    """

    name: str
    runs: list[JudgedRun] = field(default_factory=list)
    violations: set[str] = field(default_factory=set)
    start_seconds: list[float] = field(default_factory=list)
    cannot_start: str = ""


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
