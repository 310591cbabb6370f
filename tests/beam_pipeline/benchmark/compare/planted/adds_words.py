"""Answers one word too many."""

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        answer = super().process_text(text)
        return {**answer, "anagram_counts": {"zygomatic": 1, **answer["anagram_counts"], "qq": 1}}
