"""Errors name no option; the command line adds the one that they are about."""

import pytest

from beam_pipeline.cli.messages import message_of, print_notice
from beam_pipeline.errors import (
    DeadLettersError,
    OutputError,
    PreviousResultError,
    ReportError,
    UsageError,
)
from transforms.errors import (
    AnagramError,
    DictionaryError,
    InputError,
    UndecodableDictionaryError,
    UndecodableTextError,
)


def caused(error: UsageError, cause: Exception) -> UsageError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UsageError("must be 1", setting="top", value=0), "--top=0: must be 1"),
        (UsageError("is missing", setting="output"), "--output: is missing"),
        (UsageError("no input"), "no input"),
        (
            UsageError("no prism; or give prism_location", setting="runner", value="PrismRunner"),
            "--runner=PrismRunner: no prism; or give --prism_location",
        ),
        (
            AnagramError("see environment_config=HOST:PORT, or worker_start_timeout"),
            "see --environment_config=HOST:PORT, or --worker_start_timeout",
        ),
        (OutputError("/a/environment_config: full"), "--output=/a/environment_config: full"),
        (InputError("prism_location: gone"), "--input=prism_location: gone"),
        (caused(UsageError("a: gone"), InputError("a: gone")), "--input=a: gone"),
        (
            caused(UsageError("gone", setting="merge", value="a"), InputError("a: gone")),
            "--merge=a: gone",
        ),
        (InputError("a: gone"), "--input=a: gone"),
        (DictionaryError("a: gone"), "--dictionary=a: gone"),
        (
            UndecodableDictionaryError("a: byte 1 is not valid utf-8"),
            "--dictionary=a: byte 1 is not valid utf-8; name its encoding, such as "
            "--dictionary_encoding=latin-1",
        ),
        (OutputError("a: full"), "--output=a: full"),
        (DeadLettersError("a: full"), "--dead_letters=a: full"),
        (PreviousResultError("a: gone"), "--merge=a: gone"),
        (ReportError("a: full"), "--report=a: full"),
        (AnagramError("lost count"), "lost count"),
        (
            UndecodableTextError("a: byte 1"),
            "a: byte 1; --encoding_errors=replace leaves such bytes out",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_message_names_the_option(error: AnagramError, message: str) -> None:
    assert message_of(error) == message


@pytest.mark.parametrize("as_json", [False, True])
def test_a_notice_has_no_secrets(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    notice = "Flink restarts the job: no answer from http://me:hunter2@host"
    print_notice(notice, as_json=as_json)
    shown = capsys.readouterr().err
    assert "http://me:***@host" in shown
    assert "hunter2" not in shown
    assert shown.count("\n") == 1
