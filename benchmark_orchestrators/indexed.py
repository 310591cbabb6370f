"""One thread, one pass: words are counted by their sorted letters, which are looked up once.

Shows what the right data structure alone is worth, without any framework. A stage that fails is
tried again.
"""

import time
from typing import Any

from benchmark_orchestrators._common import (
    Stages,
    answer,
    check_text,
    dictionary,
    expand,
)


class TaskOrchestrator:
    """Text -> words -> distinct words -> signatures -> dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        dictionary()

    def process_text(self, text: str) -> dict[str, Any]:
        check_text(text)
        began = time.perf_counter()
        return answer(began, self._stages.do("permutations", expand, self._stages.count(text)))
