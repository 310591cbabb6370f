"""The indexed orchestrator with its text in chunks, which processes take.

Shows what all cores are worth to plain Python, less the cost of sending the chunks.
"""

import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
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
# Each process of the pool has its own.
_stages = Stages("")


class TaskOrchestrator:
    """Counts signatures in each chunk, sums them, and expands them into dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        dictionary()
        self._pool = ProcessPoolExecutor(
            os.cpu_count(), multiprocessing.get_context("fork"), _set_stages, (chaos,)
        )
        # All processes are started now, not in the first run.
        list(self._pool.map(_count, [""] * 2 * (os.cpu_count() or 1)))

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        total: Counter[str] = Counter()
        for counted in self._pool.map(_count, chunks(text, _CHUNK_SIZE)):
            total.update(counted)
        return answer(began, self._stages.do("expand", expand, total))


def _set_stages(chaos: str) -> None:
    global _stages
    _stages = Stages(chaos)


def _count(chunk: str) -> Counter[str]:
    return _stages.count(chunk)
