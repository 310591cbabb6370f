"""How many examples the property tests try."""

from hypothesis import settings


def at_most(number: int) -> int:
    """Returns `number`, or what the profile allows if that is less.

    For tests whose examples take long, so that a profile with few examples holds for them too.
    """
    return min(number, settings().max_examples)
