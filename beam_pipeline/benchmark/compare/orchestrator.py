"""Orchestrators: Python files with a class `TaskOrchestrator`."""

import asyncio
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

CLASS_NAME = "TaskOrchestrator"


#: The requirement for the file of an orchestrator.
EXPECTED = f"a class {CLASS_NAME} with a method process_text(self, text)"
_MAX_ERROR_LENGTH = 300


class Found(NamedTuple):
    """The Python files of a folder, each list sorted by name.

    Attributes:
      orchestrators: those that name the class.
      others: those that do not, less those whose name begins with ``_``.
    """

    orchestrators: list[Path]
    others: list[Path]


def find_orchestrators(folder: Path) -> Found:
    """Looks for orchestrators in a folder, without loading any."""
    found = Found([], [])
    for path in sorted(folder.glob("*.py")):
        if _names_the_class(path):
            found.orchestrators.append(path)
        elif not path.name.startswith("_"):
            found.others.append(path)
    return found


def _names_the_class(path: Path) -> bool:
    """Returns whether a file contains the name of the class; True if it cannot be read."""
    try:
        return re.search(rf"\b{CLASS_NAME}\b", path.read_text("utf-8", "replace")) is not None
    except OSError:
        return True


class Orchestrator:
    """The orchestrator of a file, in this process.

    Args:
      path: the file.
      chaos: the faults to inject, in the syntax of `transforms.stages.chaos.Chaos.parse`. They are
        passed to the constructor if it has a parameter of this name.

    Attributes:
      takes_chaos: whether the constructor has that parameter.

    Raises:
      Exception: whatever the file raises when it is imported, or the class when it is made.
    """

    def __init__(self, path: Path, chaos: str = ""):
        kind = getattr(_import(path), CLASS_NAME, None)
        if not callable(getattr(kind, "process_text", None)):
            raise TypeError(f"{path.name} does not have {EXPECTED}")
        assert kind is not None
        self.takes_chaos = "chaos" in inspect.signature(kind).parameters
        self._path = path
        self._orchestrator = kind(chaos=chaos) if self.takes_chaos else kind()

    def process_text(self, text: object) -> Any:
        """Returns what its `process_text` does, plain or async."""
        answer = self._orchestrator.process_text(text)
        return asyncio.run(_wait_for(answer)) if inspect.isawaitable(answer) else answer

    def handling_of_other_types(self) -> str:
        """Returns an error if it does not raise ValueError for other types than `str`, or ""."""
        for value in (b"cat", None, ["cat"], 7):
            kind = type(value).__name__
            try:
                self.process_text(value)
            except ValueError:
                continue
            except Exception as error:
                return f"given {kind} it must raise ValueError, not {described(error, self._path)}"
            return f"given {kind} it must raise ValueError, and does not"
        return ""


def described(error: BaseException, path: Path) -> str:
    """Describes an exception in one line.

    Args:
      error: the exception.
      path: the file whose line is named, if the exception came through it; else the last line is.
    """
    frames = traceback.extract_tb(error.__traceback__)
    of_file = [frame for frame in frames if Path(frame.filename) == path.resolve()]
    where = ""
    last = (of_file or frames)[-1] if frames else None
    if last and last.filename != __file__ and not isinstance(error, SyntaxError):
        where = f" ({Path(last.filename).name}:{last.lineno})"
    text = " ".join(f"{type(error).__name__}: {error}"[: 4 * _MAX_ERROR_LENGTH].split())
    return text[: _MAX_ERROR_LENGTH - len(where)] + where


async def _wait_for(answer: Any) -> Any:
    return await answer


def _import(path: Path) -> ModuleType:
    path = path.resolve()
    if (path.parent / "__init__.py").exists():
        # The parent folder of the package, not its own folder: a file may be called polars.py.
        sys.path.insert(0, str(path.parents[1]))
        return importlib.import_module(f"{path.parent.name}.{path.stem}")
    name = f"orchestrator_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
