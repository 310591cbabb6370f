"""Is right, but for the type of its counts."""

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        answer = super().process_text(text)
        counts = {word: float(count) for word, count in answer["anagram_counts"].items()}
        return {**answer, "anagram_counts": counts}
