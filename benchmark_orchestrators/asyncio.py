"""The indexed pipeline, its text in chunks that are tasks of one event loop.

Shows what asynchronous code is good for: the chunks wait for injected latency together. It has
nothing to offer to work that keeps a processor busy.
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
    """Chunks -> counted signatures, each chunk a task -> their sum -> dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        dictionary()

    async def process_text(self, text: str) -> dict[str, Any]:
        check_text(text)
        began = time.perf_counter()
        total: Counter[str] = Counter()
        waiting = asyncio.Semaphore(_TASKS)

        async def add(chunk: str) -> None:
            async with waiting:
                total.update(await self._count(chunk))

        await asyncio.gather(*map(add, chunks(text, _CHUNK_SIZE)))
        return answer(began, self._stages.do("permutations", expand, total))

    async def _count(self, chunk: str) -> Counter[str]:
        # Stages wait with time.sleep, which would stop the event loop.
        filtered = await asyncio.to_thread(self._stages.do, "filter", str, chunk)
        found = await asyncio.to_thread(self._stages.do, "words", words, filtered)
        counted = Counter(found).items()
        return await asyncio.to_thread(self._stages.do, "anagrams", sum_by_signature, counted)
