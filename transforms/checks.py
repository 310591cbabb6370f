"""Checks of settings. Errors name the setting, its value, and the permitted values."""

import importlib.util
from collections.abc import Collection
from numbers import Integral
from typing import Any


def check_one_of(permitted: Collection[str], **settings: str) -> None:
    """Checks that each setting has one of the permitted values.

    Args:
      permitted: the values that are permitted.
      **settings: the value of each setting, by its name.

    Raises:
      ValueError: if a setting has another value; for the first such setting.
    """
    for name, value in settings.items():
        if value not in tuple(permitted):  # a value may be of any type, also one without a hash
            raise ValueError(f"{name}={value!r}: must be one of {tuple(permitted)}")


def check_positive(**settings: int) -> None:
    """Checks that each setting is a whole number of 1 or more.

    Args:
      **settings: the value of each setting, by its name.

    Raises:
      TypeError: if a setting is not a whole number; for the first such setting.
      ValueError: if a setting is less than 1; for the first such setting.
    """
    for name, value in settings.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{name}={value!r}: must be a whole number of 1 or more")
        if value < 1:
            raise ValueError(f"{name}={value!r}: must be 1 or more")


def check_type(*permitted: type, **settings: Any) -> None:
    """Checks that each setting is an instance of one of the permitted types.

    Args:
      *permitted: the types that are permitted.
      **settings: the value of each setting, by its name.

    Raises:
      TypeError: if a setting has another type; for the first such setting.

    Example:
      >>> check_type(str, bytes, data=7)
      Traceback (most recent call last):
      ...
      TypeError: data=7: must be str or bytes
    """
    for name, value in settings.items():
        if not isinstance(value, permitted):
            names = " or ".join(kind.__name__ for kind in permitted)
            raise TypeError(f"{name}={value!r}: must be {names.replace('NoneType', 'None')}")


def is_installed(module: str) -> bool:
    """Returns whether a module is installed. It is not loaded, but its parent packages are.

    Example:
      >>> is_installed("json.decoder"), is_installed("json.nothing"), is_installed("nothing.json")
      (True, False, False)
    """
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
