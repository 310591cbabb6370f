"""Crashes while it is at work."""

import os
import signal

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        super().process_text(text)
        os.kill(os.getpid(), signal.SIGSEGV)
