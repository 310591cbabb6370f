"""This project's own command as an orchestrator."""

import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from beam_pipeline import run
from benchmark_orchestrators._common import answer, check_text
from transforms.stages.chaos import Chaos


class CommandOrchestrator:
    """Writes the text to a file, runs the command with an engine, and reads its result.

    Args:
      engine: as ``--engine`` takes it.
      chaos: as ``--chaos`` takes it.
    """

    def __init__(self, engine: str, chaos: str):
        self._options = ["--engine", engine]
        self._chaos = ""
        self.process_text("")  # loads what every run needs
        gc.freeze()  # Beam's many objects stay, so they need not be searched for garbage
        self._chaos = chaos
        self._runs = 0

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text. Raises RuntimeError if the run failed, which has printed why."""
        check_text(text)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder, "text.txt"), Path(folder, "counts.json")
            source.write_text(text, "utf-8", "surrogatepass")
            options = [*self._options, *self._next_chaos()]
            code = run(["--input", str(source), "--output", str(result), *options])
            if code != 0:
                raise RuntimeError(f"exit code {code}")
            return answer(began, json.loads(result.read_text("utf-8")))

    def _next_chaos(self) -> list[str]:
        """Returns the option of the next run, with a seed of its own: other faults each time."""
        if not self._chaos:
            return []
        self._runs += 1
        return ["--chaos", f"{self._chaos},seed={Chaos.parse(self._chaos).seed + self._runs}"]
