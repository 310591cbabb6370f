"""Injected faults, for tests, benchmarks and demonstrations.

With chaos, a stage fails a share of its attempts, before or after it has processed an element. A
fault after it is the harder case: a careless design then counts the element twice.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, ParamSpec, TypeVar

#: The stages into which faults can be injected, in the order of the pipeline, named like their
#: transforms: reading input; filtering bytes that are not text; extracting words; keying words by
#: signature; expanding signatures into their member words; writing output.
STAGES = ("read", "filter", "extract", "key", "expand", "write")
#: The names that the exercise had for some of the stages.
ALIASES: Mapping[str, str] = {"words": "extract", "anagrams": "key", "permutations": "expand"}

P = ParamSpec("P")
T = TypeVar("T")


class InjectedError(Exception):
    """A fault that chaos has injected into a stage. Another attempt may succeed."""


class Fault(NamedTuple):
    """The faults of a stage.

    Attributes:
      rate: the share of its attempts that fail, from 0 to 1.
      seconds: by how many seconds every attempt is delayed.
    """

    rate: float
    seconds: float = 0.0


#: Named sets of faults; ``take-home`` has the rates of the exercise this project grew out of.
PRESETS: Mapping[str, Mapping[str, Fault]] = {
    "take-home": {
        "filter": Fault(0.2, 1.0),
        "extract": Fault(0.25, 1.0),
        "key": Fault(0.1, 0.25),
        "expand": Fault(0.01, 0.1),
    }
}


def stage_named(name: str) -> str:
    """Returns the stage with this name or alias.

    Raises:
      ValueError: there is no such stage.
    """
    stage = ALIASES.get(name, name)
    if stage not in STAGES:
        raise ValueError(f"{name!r} is not a stage: {', '.join(STAGES)}")
    return stage


@dataclass(frozen=True)
class Chaos:
    """Which faults are injected.

    Attributes:
      faults: the faults of each stage; others have none. Aliases are replaced by stages.
      seed: the seed of the random numbers. Each stage draws its own sequence, the same one in every
        worker process.
      latency: a factor for the seconds of all faults, and for the pauses between attempts.

    Raises:
      ValueError: a value is invalid; the message names it.
    """

    faults: Mapping[str, Fault] = field(default_factory=dict)
    seed: int = 0
    latency: float = 1.0

    def __post_init__(self) -> None:
        faults = {stage_named(name): fault for name, fault in self.faults.items()}
        object.__setattr__(self, "faults", faults)
        for stage, fault in faults.items():
            if not 0 <= fault.rate <= 1:
                raise ValueError(f"{stage}={fault.rate:g}: a rate is a number from 0 to 1")
            if not 0 <= fault.seconds < float("inf"):
                raise ValueError(f"{stage}: seconds are a number of 0 or more")
        if not 0 <= self.latency < float("inf"):
            raise ValueError("latency is a number of 0 or more")

    @classmethod
    def parse(cls, spec: str) -> "Chaos":
        """Reads a specification such as ``take-home,extract=0.5:0.1,seed=7,latency=0``.

        Args:
          spec: items separated by commas: a name of `PRESETS`, ``STAGE=RATE[:SECONDS]``,
            ``rate=RATE[:SECONDS]`` for every stage, ``seed=N``, ``latency=FACTOR``. Later items
            override earlier ones.

        Raises:
          ValueError: an item is invalid; the message names it.
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
                    faults |= dict.fromkeys(STAGES, _parse_fault(value))
                elif name in STAGES or name in ALIASES:
                    faults[stage_named(name)] = _parse_fault(value)
                else:
                    raise KeyError(name)
            except KeyError:
                raise ValueError(
                    f"{item!r} is none of {', '.join(PRESETS)}, STAGE=RATE[:SECONDS], rate=RATE, "
                    f"seed=N, latency=FACTOR; stages are {', '.join(STAGES)}"
                ) from None
            except ValueError:
                raise ValueError(f"{item!r} has no number after {name}=") from None
        return cls(faults, seed, latency)


def _parse_fault(text: str) -> Fault:
    rate, _, seconds = text.partition(":")
    return Fault(float(rate), float(seconds or 0))


class FaultInjector:
    """Makes attempts for one stage, and lets some of them fail.

    Args:
      chaos: which faults are injected.
      stage: one of `STAGES`, or an alias of one.

    Attributes:
      injected: how many faults have been injected so far.
    """

    def __init__(self, chaos: Chaos, stage: str):
        self._stage = stage_named(stage)
        self._fault = chaos.faults.get(self._stage, Fault(0))
        self._seconds = self._fault.seconds * chaos.latency
        self._random = random.Random(f"{chaos.seed} {self._stage}")
        self.injected = 0

    def attempt(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work` and returns its result.

        Raises:
          InjectedError: a fault was injected before or after the call.
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
