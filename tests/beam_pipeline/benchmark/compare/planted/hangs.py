"""Never answers. Notes when it has begun to hang."""

import os
import signal
from pathlib import Path

from benchmark_orchestrators import indexed


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        super().process_text(text)
        if folder := os.environ.get("PLANTED_FOLDER"):
            Path(folder, "hanging").touch()
        while True:
            signal.pause()
