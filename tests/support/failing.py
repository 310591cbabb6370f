"""Functions that fail at a chosen call."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch


@contextlib.contextmanager
def failing(owner: type, name: str, at: int) -> Iterator[None]:
    """Within, a method raises `MemoryError` when it is called for the `at`-th time, from 0 on."""
    whole = getattr(owner, name)
    calls = itertools.count()

    def called(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == at:
            raise MemoryError
        return whole(*args, **kwargs)

    with patch.object(owner, name, called):
        yield
