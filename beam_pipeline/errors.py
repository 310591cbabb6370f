"""Errors of the program beside those of `transforms.errors`, and the exit codes they lead to."""

import enum

from transforms.errors import AnagramError


class ExitCode(enum.IntEnum):
    """What a command of this package returns to the shell.

    130 and 143 are the shell's own convention: 128 plus the number of the signal.
    """

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class UsageError(AnagramError):
    """A setting is wrong; nothing has run.

    Raised from another `AnagramError`, it says that this one came before anything has run.

    Args:
      message: what is wrong, without the setting's name and value. It spells no flags: another
        setting that it mentions is called by its bare name, such as ``prism_location``.
      setting: the name of the option at fault, as an attribute of the options: ``num_shards``.
        Empty where it is no single one.
      value: what it was set to; None where it was not set.
    """

    def __init__(self, message: str, *, setting: str = "", value: object = None):
        super().__init__(message)
        self.setting, self.value = setting, value


class OutputError(AnagramError):
    """The result cannot be written. The message begins with its path."""


class DeadLettersError(AnagramError):
    """Dead letters cannot be written or read. The message begins with their path."""


class PreviousResultError(AnagramError):
    """A result to be added to cannot be read. The message begins with its path."""


class ReportError(AnagramError):
    """A report cannot be written. The message begins with its path."""


def needs_extra(name: str) -> str:
    """Returns what to say where the packages of an extra of this project are missing."""
    return f"needs more packages: pip install 'beam-anagrams[{name}]'"
