"""Text that comes from outside, made visible."""

import unicodedata


def visible(text: str) -> str:
    r"""Writes what a page cannot show as a Python string literal would.

    That is control characters, which XML does not allow, and the bytes of a command line that are
    not valid UTF-8, which Python keeps as lone surrogates.

    Example:
      >>> visible("tab\there")
      'tab\\there'
    """
    return "".join(
        repr(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cs") else char for char in text
    )
