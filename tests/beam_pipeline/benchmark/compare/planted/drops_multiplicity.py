"""Counts a word once, however often it occurs."""

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        answer = super().process_text(text)
        return {**answer, "anagram_counts": dict.fromkeys(answer["anagram_counts"], 1)}
