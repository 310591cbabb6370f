"""What goes to standard error besides the summary: errors, verdicts and logs, as text or JSON."""

import itertools
import json
import logging
import sys
from collections.abc import Mapping, Sequence

from beam_pipeline.errors import (
    DeadLettersError,
    OutputError,
    PreviousResultError,
    ReportError,
    UsageError,
)
from beam_pipeline.flags import canonical_flag
from beam_pipeline.pages.text import visible
from beam_pipeline.redaction import redact
from transforms.errors import (
    AnagramError,
    DictionaryError,
    InputError,
    NotTextError,
    UndecodableDictionaryError,
    UndecodableTextError,
)


def wants_json(argv: Sequence[str]) -> bool:
    """Returns whether a command line, which may be wrong otherwise, asks for messages in JSON."""
    flags = [canonical_flag(argument) for argument in argv]
    return "--log_format=json" in flags or ("--log_format", "json") in itertools.pairwise(flags)


# For each type of error, the option whose value its message begins with.
_OPTIONS: Mapping[type[AnagramError], str] = {
    InputError: "input",
    DictionaryError: "dictionary",
    OutputError: "output",
    DeadLettersError: "dead_letters",
    PreviousResultError: "merge",
    ReportError: "report",
}


def message_of(error: AnagramError) -> str:
    """Returns the line for the user: the message of an error, with the option that it is about."""
    if isinstance(error, UsageError) and error.setting:
        value = "" if error.value is None else f"={error.value}"
        piped = _piped(error) if error.setting == "input" else ""
        return f"--{error.setting}{value}: {error}{piped}"
    if isinstance(error, UsageError) and isinstance(error.__cause__, AnagramError):
        return message_of(error.__cause__)  # the error of a lower layer, before the run
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
    """Returns what to do with the command that an error about an input may have between ticks."""
    return " (pipe that into --input=-)" if "`" in str(error) else ""


def print_error(message: str, exit_code: int, *, as_json: bool) -> None:
    """Prints an error as one line on standard error, or as a JSON object with its exit code.

    Secrets are hidden, and control characters cannot do anything to a terminal.
    """
    message = visible(redact(" ".join(message.splitlines())))
    if as_json:
        event = {"event": "error", "message": message, "exit_code": exit_code}
        message = json.dumps(event)
    else:
        message = f"error: {message}"
    print(message, file=sys.stderr, flush=True)


def print_notice(message: str, *, as_json: bool) -> None:
    """Prints what the user should know while the run goes on, as one line on standard error."""
    if as_json:
        message = json.dumps({"event": "notice", "message": message})
    print(message, file=sys.stderr, flush=True)


def print_verdict(name: str, expected: int, verdict: str, *, as_json: bool) -> None:
    """Prints the verdict on a built-in case.

    Args:
      name: of the case.
      expected: how many words its result should have.
      verdict: ``as expected``, or what differs.
      as_json: one line that is a JSON object.
    """
    if as_json:
        event = {"event": "case", "name": name, "words_expected": expected, "verdict": verdict}
        message = json.dumps(event)
    else:
        message = f"{name}: {expected} words expected: {verdict}"
    print(message, file=sys.stderr)


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
