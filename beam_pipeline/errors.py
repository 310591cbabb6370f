"""Errors of the program in addition to those of `transforms.errors`, and exit codes."""

import enum

from transforms.errors import AnagramError


class ExitCode(enum.IntEnum):
    """The exit codes of the commands of this package.

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

    If it is raised from another `AnagramError`, that error occurred before anything has run.

    Args:
      message: what is wrong, without the setting's name and value, and without flags. Other
        settings are mentioned by their bare names, such as ``prism_location``; the command line
        turns those that `beam_pipeline.cli.messages` knows into options.
      setting: the name of the option at fault, as an attribute of the options: ``num_shards``.
        Empty if no single option is at fault.
      value: what it was set to; None if it was not set.
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
    """Returns the message for missing packages of an extra of this project."""
    return f"needs more packages: pip install 'beam-anagrams[{name}]'"
