"""Hides its memory and its work in a child."""

import os
import time

from benchmark_orchestrators import indexed

SIZE = 300_000_000


def work() -> None:
    """Takes `SIZE` bytes of memory and a good tenth of a second of a processor."""
    memory = bytearray(os.urandom(1)) * SIZE
    until = time.process_time() + 0.15
    while time.process_time() < until:
        memory[0] ^= 1


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        answer = super().process_text(text)
        child = os.fork()
        if not child:
            work()
            os._exit(0)
        os.waitpid(child, 0)
        return answer
