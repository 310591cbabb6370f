"""The indexed orchestrator with its text in chunks, which threads take.

Shows that threads in Python help only where they wait, for injected latency for example: the
counting itself holds the interpreter's lock.
"""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmark_orchestrators._common import (
    Stages,
    answer,
    check_text,
    chunks,
    dictionary,
    expand,
)

_CHUNK_SIZE = 1 << 20


class TaskOrchestrator:
    """Counts signatures in each chunk, sums them, and expands them into dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        self._pool = ThreadPoolExecutor(os.cpu_count())
        dictionary()

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        total: Counter[str] = Counter()
        for counted in self._pool.map(self._stages.count, chunks(text, _CHUNK_SIZE)):
            total.update(counted)
        return answer(began, self._stages.do("expand", expand, total))
