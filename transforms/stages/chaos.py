"""Injected faults, for tests, benchmarks and demonstration.

A stage under chaos fails a share of its attempts, before or after it has done its work. The
second is the harder one: a careless design then counts the work twice.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, ParamSpec, TypeVar

#: Where faults can strike, in the order of the pipeline: reading input; telling text from other
#: bytes; cutting text into words; finding each word's anagrams by its signature; expanding a
#: signature into all words that are permutations of it; writing output.
STAGES = ("read", "filter", "words", "anagrams", "permutations", "write")

P = ParamSpec("P")
T = TypeVar("T")


class InjectedError(Exception):
    """A fault that chaos has put into a stage. Another attempt may succeed."""


class Fault(NamedTuple):
    """The share of a stage's attempts that fail (0 to 1), and the seconds each takes longer."""

    rate: float
    seconds: float = 0.0


#: Named sets of faults; ``take-home`` has the rates of the exercise this project grew out of.
PRESETS: Mapping[str, Mapping[str, Fault]] = {
    "take-home": {
        "filter": Fault(0.2, 1.0),
        "words": Fault(0.25, 1.0),
        "anagrams": Fault(0.1, 0.25),
        "permutations": Fault(0.01, 0.1),
    }
}


@dataclass(frozen=True)
class Chaos:
    """Which faults strike.

    Attributes:
      faults: by stage; a stage without one is left alone.
      seed: of the random numbers; every stage of every worker process has a sequence of its own
        kind.
      latency: factor on all seconds, and on the waits between attempts; 0 is none.
    """

    faults: Mapping[str, Fault] = field(default_factory=dict)
    seed: int = 0
    latency: float = 1.0

    def __post_init__(self) -> None:
        for stage, fault in self.faults.items():
            if stage not in STAGES:
                raise ValueError(f"{stage!r} is no stage: {', '.join(STAGES)}")
            if not 0 <= fault.rate <= 1:
                raise ValueError(f"{stage}={fault.rate:g}: a rate is a number from 0 to 1")
            if not 0 <= fault.seconds < float("inf"):
                raise ValueError(f"{stage}: seconds are a number of 0 or more")
        if not 0 <= self.latency < float("inf"):
            raise ValueError("latency is a number of 0 or more")

    @classmethod
    def parse(cls, spec: str) -> "Chaos":
        """``take-home,words=0.5:0.1,seed=7,latency=0`` -> the chaos it means.

        Items are separated by commas, and what comes later wins: a name of `PRESETS`,
        ``STAGE=RATE[:SECONDS]``, ``rate=RATE[:SECONDS]`` (every stage), ``seed=N``,
        ``latency=FACTOR``.

        Raises:
          ValueError: naming the item that means nothing.
        """
        faults: dict[str, Fault] = {}
        seed, latency = 0, 1.0
        for item in filter(None, (part.strip() for part in spec.split(","))):
            name, equals, value = item.partition("=")
            try:
                if not equals:
                    faults |= PRESETS[name]
                elif name == "seed":
                    seed = int(value)
                elif name == "latency":
                    latency = float(value)
                elif name == "rate":
                    faults |= dict.fromkeys(STAGES, _fault(value))
                elif name in STAGES:
                    faults[name] = _fault(value)
                else:
                    raise KeyError(name)
            except KeyError:
                raise ValueError(
                    f"{item!r} is none of {', '.join(PRESETS)}, STAGE=RATE[:SECONDS], rate=RATE, "
                    f"seed=N, latency=FACTOR; stages are {', '.join(STAGES)}"
                ) from None
            except ValueError:
                raise ValueError(f"{item!r} has no number behind {name}=") from None
        return cls(faults, seed, latency)


def _fault(text: str) -> Fault:
    rate, _, seconds = text.partition(":")
    return Fault(float(rate), float(seconds or 0))


class FaultInjector:
    """Makes attempts at the work of one stage, and lets some of them fail.

    Attributes:
      injected: how many faults have struck so far.
    """

    def __init__(self, chaos: Chaos, stage: str):
        self._fault = chaos.faults.get(stage, Fault(0))
        self._seconds = self._fault.seconds * chaos.latency
        self._random = random.Random(f"{chaos.seed} {stage}")
        self._stage = stage
        self.injected = 0

    def attempt(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """-> what `work` gives.

        Raises:
          InjectedError: before or after the work was done.
        """
        if self._seconds:
            time.sleep(self._seconds)
        draw = self._random.random()
        if draw < self._fault.rate / 2:
            self._strike("before")
        result = work(*args, **kwargs)
        if draw < self._fault.rate:
            self._strike("after")
        return result

    def _strike(self, when: str) -> None:
        self.injected += 1
        raise InjectedError(f"injected {when} the work of stage {self._stage}")
