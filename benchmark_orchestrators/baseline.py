"""The pipeline of the exercise, rebuilt from its description: the one to beat.

Shows what goes wrong: all permutations of the letters of each word are tried, so that a word of
twelve letters takes minutes; words are processed one after the other by asynchronous stages that
wait for each other; and any fault of any stage ends the run, since nothing is retried.
"""

import itertools
import time
from collections import Counter
from typing import Any

from benchmark_orchestrators._common import Stages, answer, check_text, dictionary
from transforms.text.normalize import words


class TaskOrchestrator:
    """Filters the text, cuts it into words, and finds each word's anagrams by permuting it.

    Its stages have the names that the exercise gives them.
    """

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos, retries=False)
        self._known = {word for members in dictionary().values() for word in members}

    async def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        filtered = await self._filter(text)
        counts: Counter[str] = Counter()
        for word in await self._words(filtered):
            counts.update(await self._anagrams(word))
        return answer(began, dict(counts))

    async def _filter(self, text: str) -> str:
        return self._stages.do("filter", str, text)

    async def _words(self, text: str) -> list[str]:
        return self._stages.do("words", words, text)

    async def _anagrams(self, word: str) -> set[str]:
        arrangements = await self._permutations(word)
        return self._stages.do("anagrams", self._known.intersection, arrangements)

    async def _permutations(self, word: str) -> "map[str]":
        return self._stages.do("permutations", _arrange, word)


def _arrange(word: str) -> "map[str]":
    return map("".join, itertools.permutations(word))
