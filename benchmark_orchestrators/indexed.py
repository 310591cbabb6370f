"""One thread, one pass: words are counted by their sorted letters, which are looked up once.

Shows what the right data structure alone is worth, without any framework. A stage that fails is
tried again.
"""

import time
from collections import Counter
from typing import Any

from benchmark_orchestrators._common import (
    Stages,
    answer,
    check_text,
    dictionary,
    expand,
    sum_by_signature,
)
from transforms.text import words


class TaskOrchestrator:
    """Text -> words -> distinct words -> signatures -> dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        dictionary()

    def process_text(self, text: str) -> dict[str, Any]:
        check_text(text)
        began = time.perf_counter()
        filtered = self._stages.do("filter", str, text)
        counted = self._stages.do("words", count_words, filtered)
        by_signature = self._stages.do("anagrams", sum_by_signature, counted.items())
        return answer(began, self._stages.do("permutations", expand, by_signature))


def count_words(text: str) -> Counter[str]:
    """Text -> word -> how often it occurs."""
    return Counter(words(text))
