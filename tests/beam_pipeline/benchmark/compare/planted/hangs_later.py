"""Answers three texts, and hangs at the next. Notes when it has begun to hang."""

import os
import signal
from pathlib import Path

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    texts = 0

    def process_text(self, text):
        answer = super().process_text(text)
        self.texts += 1
        if self.texts > 3:
            Path(os.environ["PLANTED_FOLDER"], "hanging").touch()
            while True:
                signal.pause()
        return answer
