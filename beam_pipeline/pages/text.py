"""Text for people: escapes untrusted text, and formats numbers of things."""

import unicodedata


def visible(text: str) -> str:
    r"""Escapes characters that a page cannot show, as in a Python string literal.

    These are control characters, which XML does not allow, and bytes of a command line that are not
    valid UTF-8, which Python keeps as lone surrogates.

    Example:
      >>> visible("tab\there")
      'tab\\there'
    """
    return "".join(
        repr(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cs") else char for char in text
    )


def brief(value: object, length: int = 60) -> str:
    """Returns the representation of a value in Python, cut to at most `length` characters."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}…"


def counted(number: int, singular: str, plural: str = "") -> str:
    """Returns a number of things.

    Example:
      >>> counted(1, "byte"), counted(2000, "byte"), counted(0, "class", "classes")
      ('1 byte', '2,000 bytes', '0 classes')
    """
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
