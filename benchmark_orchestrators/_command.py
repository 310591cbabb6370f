"""This project's own command, asked as a function."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from beam_pipeline import run
from benchmark_orchestrators._common import answer, check_text


class CommandOrchestrator:
    """Text -> a file -> the command with an engine -> its result.

    Args:
      engine: as ``--engine`` takes it.
      chaos: as ``--chaos`` takes it.
    """

    def __init__(self, engine: str, chaos: str):
        self._options = ["--engine", engine]
        self.process_text("")  # compiles, or reads what was compiled before
        self._options += ["--chaos", chaos] if chaos else []

    def process_text(self, text: str) -> dict[str, Any]:
        """`text` -> its counts; RuntimeError if the run failed, which has printed why."""
        check_text(text)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder, "text.txt"), Path(folder, "counts.json")
            source.write_text(text, "utf-8", "surrogatepass")
            code = run(["--input", str(source), "--output", str(result), *self._options])
            if code != 0:
                raise RuntimeError(f"exit code {code}")
            return answer(began, json.loads(result.read_text("utf-8")))
