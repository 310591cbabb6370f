"""Errors whose messages are meant for the user.

A message is one line with the path or value at fault and the cause. It does not name a
command-line option: `beam_pipeline.cli.messages` adds that, by the type of the error.

A worker's error reaches the client as text only, so the type and the message must have everything
that the client needs.
"""


class AnagramError(Exception):
    """An error that the user can correct."""


class InputError(AnagramError):
    """An input cannot be found or read. The message begins with its path or pattern."""


class NotTextError(InputError):
    """An input has a format that is not text, such as an archive. The message says which."""


class UndecodableTextError(InputError):
    """A text has bytes that are not valid in its encoding, and the policy is ``strict``."""


class DictionaryError(AnagramError):
    """A dictionary cannot be loaded. The message begins with its specification."""


class UndecodableDictionaryError(DictionaryError):
    """A dictionary has bytes that are not valid in its encoding."""
