"""Hides its memory and its work in a child, which stays until the next text comes."""

import os
import signal
import time

from benchmark_orchestrators import indexed

SIZE = 300_000_000
CPU_SECONDS = 0.15


def work() -> bytearray:
    """Uses a processor for `CPU_SECONDS`, and returns `SIZE` bytes of memory."""
    memory = bytearray(os.urandom(1)) * SIZE
    until = time.process_time() + CPU_SECONDS
    while time.process_time() < until:
        memory[0] ^= 1
    return memory


class TaskOrchestrator(indexed.TaskOrchestrator):
    child = 0

    def process_text(self, text):
        answer = super().process_text(text)
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        done, report = os.pipe()
        self.child = os.fork()
        if not self.child:
            memory = work()
            os.write(report, b"x")
            while memory:
                signal.pause()
        os.read(done, 1)
        os.close(done)
        os.close(report)
        return answer
