"""Results to test with."""

from beam_pipeline.benchmark.compare.results import OrchestratorResult, SubjectResult
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose
from beam_pipeline.cases import Difference

RIGHT = Difference()


def run(seconds: float, status: Status = Status.DONE, memory: int = 100) -> Run:
    """A run that took some seconds, all of them on a processor, and some bytes."""
    return Run(status, seconds, peak_bytes=memory, growth_bytes=memory // 10, cpu_seconds=seconds)


def measured(*seconds: float, memory: int = 100) -> list[JudgedRun]:
    """Measured runs with right answers."""
    return [JudgedRun(Purpose.MEASURED, run(taken, memory=memory), RIGHT) for taken in seconds]


def orchestrator(name: str, *judged: JudgedRun) -> OrchestratorResult:
    """An orchestrator that has been started once."""
    return OrchestratorResult(name, list(judged), start_seconds=[1.0])


def subject(
    *orchestrators: OrchestratorResult, name: str = "subject", size_bytes: int = 3000
) -> SubjectResult:
    """A subject of 600 words."""
    return SubjectResult(name, 600, size_bytes, list(orchestrators))
