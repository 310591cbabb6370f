"""Messages on standard error except the summary: errors, verdicts and logs, as text or JSON."""

import itertools
import json
import logging
import re
from collections.abc import Mapping, Sequence

from beam_pipeline.errors import (
    DeadLettersError,
    ExitCode,
    OutputError,
    PreviousResultError,
    ReportError,
    UsageError,
)
from beam_pipeline.flags import canonical_flag
from beam_pipeline.redaction import redact
from beam_pipeline.standard_streams import print_message, printable
from transforms.errors import (
    AnagramError,
    DictionaryError,
    InputError,
    NotTextError,
    UndecodableDictionaryError,
    UndecodableTextError,
)


def wants_json(argv: Sequence[str]) -> bool:
    """Returns whether a command line, even an invalid one, asks for messages in JSON."""
    flags = [canonical_flag(argument) for argument in argv]
    return "--log_format=json" in flags or ("--log_format", "json") in itertools.pairwise(flags)


# For each type of error, the option with whose value its message begins.
_OPTIONS: Mapping[type[AnagramError], str] = {
    InputError: "input",
    DictionaryError: "dictionary",
    OutputError: "output",
    DeadLettersError: "dead_letters",
    PreviousResultError: "merge",
    ReportError: "report",
}


# Settings of runners that messages mention in addition to the one at fault.
_MENTIONED = re.compile(
    r"(?<![\w/=.-])(environment_config|prism_location|worker_start_timeout)\b(?![/.])"
)


def message_of(error: AnagramError) -> str:
    """Returns the line for the user: the message of an error, with the option that it is about."""
    return _MENTIONED.sub(r"--\1", _with_option(error))


def _with_option(error: AnagramError) -> str:
    if isinstance(error, UsageError) and error.setting:
        value = "" if error.value is None else f"={error.value}"
        piped = _piped(error) if error.setting == "input" else ""
        return f"--{error.setting}{value}: {error}{piped}"
    if isinstance(error, UsageError) and isinstance(error.__cause__, AnagramError):
        return _with_option(error.__cause__)  # the error of a lower layer, before the run
    if isinstance(error, NotTextError):
        return f"--input={error}{_piped(error)}"
    if isinstance(error, UndecodableTextError):
        return f"{error}; --encoding_errors=replace leaves such bytes out"
    if isinstance(error, UndecodableDictionaryError):
        hint = "name its encoding, such as --dictionary_encoding=latin-1"
        return f"--dictionary={error}; {hint}"
    option = _OPTIONS.get(type(error))
    return str(error) if option is None else f"--{option}={error}"


def _piped(error: AnagramError) -> str:
    """Returns how to use the command in backticks that an error about an input may suggest."""
    return " (pipe that into --input=-)" if "`" in str(error) else ""


def print_error(message: str, exit_code: int, *, as_json: bool) -> None:
    """Prints an error as one line on standard error, or as a JSON object with its exit code.

    Secrets are hidden.
    """
    message = redact(" ".join(message.splitlines()))
    if as_json:
        event = {"event": "error", "message": message, "exit_code": exit_code}
        print_message(json.dumps(event))
    else:
        print_message(f"error: {message}")


def print_internal_error(error: Exception, *, as_json: bool) -> ExitCode:
    """Prints an error that is a bug of this program; returns the exit code."""
    name = f"{type(error).__name__}: {error}".removesuffix(": ")
    message = f"internal error: {name}; please report it, with what --verbose shows"
    print_error(message, ExitCode.FAILED, as_json=as_json)
    return ExitCode.FAILED


def print_notice(message: str, *, as_json: bool) -> None:
    """Prints a message that is not an error, as one line on standard error, during a run.

    Secrets are hidden.
    """
    message = redact(" ".join(message.splitlines()))
    if as_json:
        message = json.dumps({"event": "notice", "message": message})
    print_message(message)


def print_verdict(name: str, expected: int, verdict: str, *, as_json: bool) -> None:
    """Prints the verdict on a built-in case.

    Args:
      name: the name of the case.
      expected: the number of words that its result should have.
      verdict: ``as expected``, or the differences.
      as_json: whether to print a JSON object in one line.
    """
    if as_json:
        event = {"event": "case", "name": name, "words_expected": expected, "verdict": verdict}
        message = json.dumps(event)
    else:
        message = f"{name}: {expected} words expected: {verdict}"
    print_message(message)


class TextFormatter(logging.Formatter):
    """Formats a log record as lines without control sequences."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


class JsonFormatter(logging.Formatter):
    """Formats a log record as a JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "event": "log",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event)
