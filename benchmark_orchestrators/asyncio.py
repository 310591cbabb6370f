"""The indexed orchestrator with its text in chunks, each a task of one event loop.

Shows what asynchronous code is good for: the chunks wait for injected latency at the same time. It
does nothing for work that keeps a processor busy.
"""

import asyncio
import time
from collections import Counter
from typing import Any

from benchmark_orchestrators._common import (
    Stages,
    answer,
    check_text,
    chunks,
    dictionary,
    expand,
    sum_by_signature,
)
from transforms.text.normalize import words

_CHUNK_SIZE = 1 << 20
_TASKS = 8


class TaskOrchestrator:
    """Counts signatures in each chunk, sums them, and expands them into dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        dictionary()

    async def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        total: Counter[str] = Counter()
        free_tasks = asyncio.Semaphore(_TASKS)

        async def add(chunk: str) -> None:
            async with free_tasks:
                total.update(await self._count(chunk))

        await asyncio.gather(*map(add, chunks(text, _CHUNK_SIZE)))
        return answer(began, self._stages.do("expand", expand, total))

    async def _count(self, chunk: str) -> Counter[str]:
        # Stages wait with time.sleep, which would block the event loop.
        filtered = await asyncio.to_thread(self._stages.do, "filter", str, chunk)
        found = await asyncio.to_thread(self._stages.do, "extract", words, filtered)
        counted = Counter(found).items()
        return await asyncio.to_thread(self._stages.do, "key", sum_by_signature, counted)
