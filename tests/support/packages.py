"""Packages that are taken for missing, whatever this environment has."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: The modules of the clients of stores.
STORE_CLIENTS = ("azure.storage.blob", "boto3", "google.cloud.storage", "hdfs")


class _Finder(MetaPathFinder):
    """Finds what other finders find, except some modules and those in them."""

    def __init__(self, finders: Sequence[Any], hidden: Sequence[str]):
        self._finders, self._hidden = finders, hidden

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if is_in(fullname, self._hidden):
            return None
        specs = (finder.find_spec(fullname, path, target) for finder in self._finders)
        return next((spec for spec in specs if spec is not None), None)


def is_in(module: str, packages: Sequence[str]) -> bool:
    """Returns whether a module is one of these packages, or in one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@contextlib.contextmanager
def without(*modules: str) -> Iterator[None]:
    """Inside, Python does not find these modules, nor what is in them.

    Example:
      >>> from importlib.util import find_spec
      >>> with without("json"):
      ...     find_spec("json") is None
      True
      >>> find_spec("json") is None
      False
    """
    finders = list(sys.meta_path)
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if is_in(name, modules)}
    sys.meta_path[:] = [_Finder(finders, modules)]
    try:
        yield
    finally:
        sys.meta_path[:] = finders
        sys.modules.update(loaded)
