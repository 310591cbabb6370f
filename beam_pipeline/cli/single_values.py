"""Rejects options with a single value that are given twice; argparse would use the last one.

Options whose declaration, ours or Beam's, appends values, such as ``--input`` or ``--experiments``,
may be repeated.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from beam_pipeline.errors import UsageError
from beam_pipeline.redaction import redact_value

# Where a namespace keeps what has been given so far: destination -> what the user wrote, value.
_GIVEN = "_given"


class _StoreOnce(argparse._StoreAction):
    """Stores a value; a second one is an error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        shown = "" if values is None else f"={redact_value(self.dest, str(values))}"
        written = f"{option_string}{shown}"
        given = vars(namespace).setdefault(_GIVEN, {})
        if self.dest in given:
            raise UsageError(f"{given[self.dest]} and {written}: give only one")
        given[self.dest] = written
        super().__call__(parser, namespace, values, option_string)


class _SetOnce(argparse._StoreConstAction):
    """Sets a flag; giving its opposite as well is an error, repeating it is not."""

    def __init__(self, option_strings: Any, dest: str, *, const: bool, **declared: Any):
        declared = {"default": not const} | declared
        super().__init__(option_strings, dest, const=const, **declared)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault(_GIVEN, {})
        if given.setdefault(self.dest, option_string) not in self.option_strings:
            raise UsageError(f"{given[self.dest]} and {option_string}: give only one")
        super().__call__(parser, namespace, values, option_string)


class _SetTrueOnce(_SetOnce):
    def __init__(self, option_strings: Any, dest: str, **declared: Any):
        super().__init__(option_strings, dest, const=True, **declared)


class _SetFalseOnce(_SetOnce):
    def __init__(self, option_strings: Any, dest: str, **declared: Any):
        super().__init__(option_strings, dest, const=False, **declared)


#: Actions for a parser, by the names with which options are declared.
ACTIONS: Mapping[str | None, type[argparse.Action]] = {
    None: _StoreOnce,
    "store": _StoreOnce,
    "store_true": _SetTrueOnce,
    "store_false": _SetFalseOnce,
}
