"""Orchestrators: Python files with a class `TaskOrchestrator`."""

import asyncio
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

CLASS_NAME = "TaskOrchestrator"


def find_orchestrators(folder: Path) -> list[Path]:
    """Returns the Python files of a folder whose text has the class, sorted by name."""
    return sorted(path for path in folder.glob("*.py") if f"class {CLASS_NAME}" in _text(path))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


class Orchestrator:
    """The orchestrator of a file, in this process.

    Args:
      path: the file.
      chaos: the faults to work under, as `transforms.stages.chaos.Chaos.parse` reads them. The
        constructor gets them if it has a parameter of this name.

    Attributes:
      takes_chaos: whether the constructor has that parameter.

    Raises:
      Exception: whatever the file raises when it is imported, or the class when it is made.
    """

    def __init__(self, path: Path, chaos: str = ""):
        kind = getattr(_import(path), CLASS_NAME)
        self.takes_chaos = "chaos" in inspect.signature(kind).parameters
        self._orchestrator = kind(chaos=chaos) if self.takes_chaos else kind()

    def process_text(self, text: object) -> Any:
        """Returns what its `process_text` does, plain or async."""
        answer = self._orchestrator.process_text(text)
        return asyncio.run(_wait_for(answer)) if inspect.isawaitable(answer) else answer

    def rejects_other_types(self) -> bool:
        """Tells whether it raises ValueError for whatever is not a `str`."""
        for value in (b"cat", None, ["cat"], 7):
            try:
                self.process_text(value)
            except ValueError:
                continue
            except Exception:
                return False
            return False
        return True


async def _wait_for(answer: Any) -> Any:
    return await answer


def _import(path: Path) -> ModuleType:
    path = path.resolve()
    if (path.parent / "__init__.py").exists():
        # The folder of the package, never the package itself: a file may be called polars.py.
        sys.path.insert(0, str(path.parents[1]))
        return importlib.import_module(f"{path.parent.name}.{path.stem}")
    name = f"orchestrator_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
