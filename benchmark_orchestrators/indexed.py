"""One thread and one pass: words are counted by their sorted letters, looked up once each.

Shows what the right data structure is worth without any framework. A stage that fails is tried
again.
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
    """Counts distinct words, then signatures, and expands them into dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        dictionary()

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        return answer(began, self._stages.do("expand", expand, self._stages.count(text)))
