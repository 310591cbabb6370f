"""A file with a class `TaskOrchestrator` -> an orchestrator that can be asked."""

import asyncio
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

CLASS_NAME = "TaskOrchestrator"


def find(folder: Path) -> list[Path]:
    """The Python files of `folder` that have, as their text says, the class; sorted by name."""
    return sorted(path for path in folder.glob("*.py") if f"class {CLASS_NAME}" in _text(path))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


class Orchestrator:
    """The orchestrator of the file `path`.

    Args:
      chaos: the faults it shall work under, as `transforms.stages.chaos.Chaos.parse` reads
        them. Given to
        the constructor where that has a parameter of this name.

    Raises:
      Exception: whatever the file raises when it is imported, and the class when it is made.
    """

    def __init__(self, path: Path, chaos: str = ""):
        kind = getattr(_imported(path), CLASS_NAME)
        self.takes_chaos = "chaos" in inspect.signature(kind).parameters
        self._made = kind(chaos=chaos) if self.takes_chaos else kind()

    def ask(self, text: object) -> Any:
        """-> what `process_text` answers, plain or async."""
        answer = self._made.process_text(text)
        return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    def refuses_what_is_no_text(self) -> bool:
        """Whether it raises ValueError for all that is no `str`."""
        for value in (b"cat", None, ["cat"], 7):
            try:
                self.ask(value)
            except ValueError:
                continue
            except Exception:
                return False
            return False
        return True


async def _awaited(answer: Any) -> Any:
    return await answer


def _imported(path: Path) -> ModuleType:
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
