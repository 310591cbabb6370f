"""Errors whose message is meant for the user as it stands.

Each is one line that names the path or value at fault and the cause. No message names a
command-line option: `beam_pipeline.cli.messages` adds it, by the type of the error.

A worker's error reaches the client as text only, so what the client needs to know of it must be
in its type and its message.
"""


class AnagramError(Exception):
    """Something the user can correct."""


class InputError(AnagramError):
    """An input cannot be found or read. The message begins with its path or pattern."""


class NotTextError(InputError):
    """An input is an archive or of another format that is not text. The message says which."""


class UndecodableTextError(InputError):
    """A text has bytes that are not valid in its encoding, and the policy is ``strict``."""


class DictionaryError(AnagramError):
    """A dictionary cannot be loaded. The message begins with its specification."""


class UndecodableDictionaryError(DictionaryError):
    """A dictionary has bytes that are not valid in its encoding."""
