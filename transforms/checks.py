"""Checks of the settings of transforms: name, value, and what is permitted."""

from collections.abc import Collection


def check_one_of(permitted: Collection[str], **settings: str) -> None:
    """Raises ValueError for the first of `settings` whose value is none of `permitted`."""
    for name, value in settings.items():
        if value not in permitted:
            raise ValueError(f"{name}={value!r}: must be one of {tuple(permitted)}")


def check_positive(**settings: int) -> None:
    """Raises ValueError for the first of `settings` whose value is less than 1."""
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"{name}={value!r}: must be 1 or more")
