"""Never answers."""

import time

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        super().process_text(text)
        time.sleep(3600)
