"""What an orchestrator answered, held to what is right: whole, word by word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from beam_pipeline.benchmark.compare.orchestrator_process import DONE, Run

#: What a text is for. Only ``measured`` ones count for the figures; all must be answered right.
NAMED, PROBE, WARM_UP, MEASURED = "named", "probe", "warm-up", "measured"


@dataclass(frozen=True)
class Difference:
    """Where two results differ, as words: not answered, with another count, answered in excess."""

    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.wrong or self.extra)

    def __str__(self) -> str:
        parts = [("missing", self.missing), ("wrong", self.wrong), ("extra", self.extra)]
        return ", ".join(f"{len(words)} {name} ({words[0]})" for name, words in parts if words)


def difference(answered: Mapping[str, int], expected: Mapping[str, int]) -> Difference:
    """Where `answered` is not as `expected`."""
    return Difference(
        tuple(sorted(expected.keys() - answered.keys())),
        tuple(sorted(w for w in expected.keys() & answered.keys() if expected[w] != answered[w])),
        tuple(sorted(answered.keys() - expected.keys())),
    )


@dataclass(frozen=True)
class Judged:
    """A run, what its text was for, and how its answer differs from what is right."""

    purpose: str
    run: Run
    difference: Difference

    @property
    def is_right(self) -> bool:
        return self.run.status == DONE and not self.difference

    @property
    def is_wrong(self) -> bool:
        """Whether it gave an answer, and not the right one."""
        return self.run.status == DONE and bool(self.difference)


def verdict(runs: Iterable[Judged], breaches: Iterable[str] = ()) -> str:
    """All `runs` of an orchestrator -> ``right``, or what is wrong with it, in a few words."""
    answered = [judged for judged in runs if judged.run.status == DONE]
    wrong = [judged for judged in answered if judged.is_wrong]
    if wrong:
        knows = [judged for judged in answered if judged.purpose == NAMED and judged.is_right]
        if knows and all(judged.purpose != NAMED for judged in wrong):
            return "WRONG on fresh text, right on the named case"
        return "WRONG"
    if broken := sorted(breaches):
        return f"WRONG: {', '.join(broken)}"
    return "right" if answered else "no answer"
