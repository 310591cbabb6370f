"""Is right about text, and accepts anything else too."""

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        return super().process_text(text if isinstance(text, str) else str(text))
