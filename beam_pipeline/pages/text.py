"""Text that comes from outside, made visible on pages and terminals."""

import unicodedata

# Embeddings, overrides and isolates.
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    r"""Writes what a page cannot show as a Python string literal would.

    That is control characters, which XML does not allow and a terminal obeys, the bytes of a
    command line that are not valid UTF-8, which Python keeps as lone surrogates, separators of
    lines, and what turns the direction of the text behind it.

    Example:
      >>> visible("tab\there")
      'tab\\there'
    """
    return "".join(ascii(char)[1:-1] if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDIRECTIONAL
