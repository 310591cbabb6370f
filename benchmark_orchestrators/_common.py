"""What the orchestrators share: the dictionary, stages under chaos, cutting, the answer.

Free of Beam, so that an orchestrator that does not use Beam does not load it.
"""

import functools
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import tenacity
from english_words import get_english_words_set

from transforms.stages.chaos import Chaos, FaultInjector, InjectedError, stage_named
from transforms.text.normalize import is_separator, words
from transforms.text.signature import signature

P = ParamSpec("P")
T = TypeVar("T")
_MAX_ATTEMPTS = 20


def check_text(text: object) -> str:
    """Returns the text.

    Raises:
      ValueError: it is not a `str`.
    """
    if not isinstance(text, str):
        raise ValueError(f"text must be a str, not {type(text).__name__}")
    return text


@functools.cache
def dictionary() -> Mapping[str, list[str]]:
    """Returns the words of GCIDE by their signature."""
    entries = get_english_words_set(["gcide"])
    accepted = (entry for entry in entries if entry.replace("'", "").isalpha())
    classes: dict[str, list[str]] = {}
    for word in sorted(set(words(" ".join(accepted)))):
        classes.setdefault(signature(word), []).append(word)
    return classes


def expand(by_signature: Mapping[str, int]) -> dict[str, int]:
    """Turns the count of each signature into the count of each dictionary word that has it."""
    classes = dictionary()
    return {word: count for key, count in by_signature.items() for word in classes.get(key, ())}


def chunks(text: str, size: int) -> list[str]:
    """Cuts a text at white space into parts of about a given number of code points."""
    return re.findall(rf"(?s).{{1,{size}}}(?:\S*)", text)


def separators() -> str:
    """Returns all code points that separate words."""
    return "".join(filter(is_separator, map(chr, range(sys.maxunicode + 1))))


def sum_by_signature(counted: Iterable[tuple[str, int]]) -> Counter[str]:
    """Sums the counts of pieces by the signature of the word that each piece is.

    Args:
      counted: pieces of text between separators, and how often each occurs. A piece without any
        letter, mark or digit is not a word.
    """
    summed: Counter[str] = Counter()
    for piece, count in counted:
        for word in words(piece):
            summed[signature(word)] += count
    return summed


def count_words(text: str) -> Counter[str]:
    """Counts the words of a text."""
    return Counter(words(text))


def answer(began: float, counts: dict[str, int]) -> dict[str, Any]:
    """Makes the answer of `process_text`.

    Args:
      began: the value of `time.perf_counter` when the work began.
      counts: of dictionary words.
    """
    return {"runtime": (time.perf_counter() - began) * 1000, "anagram_counts": counts}


class Stages:
    """Does the work of stages under chaos.

    Args:
      chaos: the faults, see `transforms.stages.chaos.Chaos.parse`.
      retries: whether the work of a stage that has failed is tried again.
    """

    def __init__(self, chaos: str, retries: bool = True):
        parsed = Chaos.parse(chaos)
        self._injectors = {stage: FaultInjector(parsed, stage) for stage in parsed.faults}
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((InjectedError, OSError)),
            stop=tenacity.stop_after_attempt(_MAX_ATTEMPTS if retries else 1),
            wait=tenacity.wait_random_exponential(0.05 * parsed.latency, max=parsed.latency),
            reraise=True,
        )

    def do(self, stage: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does the work of a stage, and returns its result.

        Args:
          stage: one of `transforms.stages.chaos.STAGES` or of their aliases.
          work: what to do.
          *args: for `work`.
          **kwargs: for `work`.

        Raises:
          InjectedError: a fault was injected, in every attempt.
          ValueError: there is no such stage.
        """
        injector = self._injectors.get(stage_named(stage))
        if injector is None:
            return work(*args, **kwargs)
        done: T = self._retrying(injector.attempt, work, *args, **kwargs)
        return done

    def count(self, text: str) -> Counter[str]:
        """Counts the words of a text by their signature, one stage after the other."""
        filtered = self.do("filter", str, text)
        counted = self.do("extract", count_words, filtered)
        return self.do("key", sum_by_signature, counted.items())
