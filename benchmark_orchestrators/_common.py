"""What the orchestrators share: the dictionary, the stages that chaos strikes, the answer."""

import functools
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import tenacity
from english_words import get_english_words_set

from transforms.stages.chaos import Chaos, FaultInjector, InjectedError
from transforms.text.normalize import is_separator, words
from transforms.text.signature import signature

P = ParamSpec("P")
T = TypeVar("T")
_MAX_ATTEMPTS = 20


def check_text(text: object) -> str:
    """-> `text`; anything but a `str` raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a str, not {type(text).__name__}")
    return text


@functools.cache
def dictionary() -> Mapping[str, list[str]]:
    """Signature -> the words of GCIDE that have it."""
    entries = get_english_words_set(["gcide"])
    accepted = (entry for entry in entries if entry.replace("'", "").isalpha())
    classes: dict[str, list[str]] = {}
    for word in sorted(set(words(" ".join(accepted)))):
        classes.setdefault(signature(word), []).append(word)
    return classes


def expand(by_signature: Mapping[str, int]) -> dict[str, int]:
    """Signature -> count becomes dictionary word -> count."""
    classes = dictionary()
    return {word: count for key, count in by_signature.items() for word in classes.get(key, ())}


def chunks(text: str, size: int) -> list[str]:
    """`text`, cut at white space into parts of about `size` code points."""
    return re.findall(rf"(?s).{{1,{size}}}(?:\S*)", text)


def separators() -> str:
    """All code points that stand between words."""
    return "".join(filter(is_separator, map(chr, range(sys.maxunicode + 1))))


def sum_by_signature(counted: Iterable[tuple[str, int]]) -> Counter[str]:
    """(Piece of text between separators, how often) -> signature of its word -> count.

    For what stands between separators is a word once it is folded; a piece without any letter
    or digit is none.
    """
    summed: Counter[str] = Counter()
    for piece, count in counted:
        for word in words(piece):
            summed[signature(word)] += count
    return summed


def answer(began: float, counts: dict[str, int]) -> dict[str, Any]:
    """What `process_text` gives; `began` as `time.perf_counter` had it."""
    return {"runtime": (time.perf_counter() - began) * 1000, "anagram_counts": counts}


def count_words(text: str) -> Counter[str]:
    """Text -> word -> how often it occurs."""
    return Counter(words(text))


class Stages:
    """Does the work of stages under chaos.

    Args:
      chaos: what strikes, see `transforms.stages.chaos.Chaos.parse`.
      retries: whether a stage that was struck is tried again.
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
        """-> what `work` gives; `stage` is one of `transforms.stages.chaos.STAGES`.

        Raises:
          InjectedError: a fault has struck, and again in each further attempt.
        """
        injector = self._injectors.get(stage)
        if injector is None:
            return work(*args, **kwargs)
        done: T = self._retrying(injector.attempt, work, *args, **kwargs)
        return done

    def count(self, text: str) -> Counter[str]:
        """Text -> signature -> how many of its words have it, a stage after the other."""
        filtered = self.do("filter", str, text)
        counted = self.do("words", count_words, filtered)
        return self.do("anagrams", sum_by_signature, counted.items())
