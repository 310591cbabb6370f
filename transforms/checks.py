"""Checks of settings, whose errors name the setting, its value, and what is permitted."""

from collections.abc import Collection


def check_one_of(permitted: Collection[str], **settings: str) -> None:
    """Checks that each setting has one of the permitted values.

    Args:
      permitted: the values that are permitted.
      **settings: the value of each setting, by its name.

    Raises:
      ValueError: if a setting has another value; for the first such setting.
    """
    for name, value in settings.items():
        if value not in permitted:
            raise ValueError(f"{name}={value!r}: must be one of {tuple(permitted)}")


def check_positive(**settings: int) -> None:
    """Checks that each setting is 1 or more.

    Args:
      **settings: the value of each setting, by its name.

    Raises:
      ValueError: if a setting is less than 1; for the first such setting.
    """
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"{name}={value!r}: must be 1 or more")
