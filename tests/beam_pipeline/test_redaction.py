"""Secrets are hidden wherever a user may have put them, and nothing else is."""

import json
from pathlib import Path

import pytest

from beam_pipeline.cli.messages import print_error
from beam_pipeline.redaction import redact, redact_value
from tests.support.cli import Here


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://me:hush@host/a.txt", "s3://me:***@host/a.txt"),
        (
            "s3://me:hush@host/a: no bucket 'me:hush@host'",
            "s3://me:***@host/a: no bucket 'me:***@host'",
        ),
        ("kafka://:hush@host:9092/t", "kafka://:***@host:9092/t"),
        ("error at https://u:hush@h/x: gone", "error at https://u:***@h/x: gone"),
        ("https://h/a?X-Amz-Signature=hush&page=2", "https://h/a?X-Amz-Signature=***&page=2"),
        ("https://h/a?access_token=hush", "https://h/a?access_token=***"),
        ("--azure_connection_string=hush", "--azure_connection_string=***"),
        ("AccountName=a;AccountKey=hush==;X=1", "AccountName=a;AccountKey=***;X=1"),
        ("master_key=hush,use_x", "master_key=***,use_x"),
        ('{"db_password": "hu\\"sh", "n": 1}', '{"db_password": "***", "n": 1}'),
        ("SASL_PASSWORD=hush", "SASL_PASSWORD=***"),
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("a.txt", "gs://bucket/a@b.txt", "gs://bucket:80/x", "localhost:50000", "", "user@host"),
        *("--input=token: no file matches", "read=0.1,key=0.2,latency=0", "KeyError: 'token'"),
        *("10:30@noon", "books/monkey=1.txt", '{"command": "/boot"}', "http://h/a:b@c"),
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == redact_value("input", text) == text


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        *[(name, "hush", "***") for name in ("s3_secret_access_key", "password", "api_token")],
        *[(name, "hush", "***") for name in ("db_pass", "key", "azure_connection_string")],
        ("experiments", ["use_x", "worker_token=hush"], ["use_x", "worker_token=***"]),
        ("environment_options", ["process_variables=A=hush"], ["process_variables=***"]),
        (
            "environment_config",
            '{"command": "/boot", "env": {"A": "hush", "B": "hush"}}',
            '{"command": "/boot", "env": {"A": "***", "B": "***"}}',
        ),
        (
            "environment_config",
            '{"a": [{"client_secret": "hush"}]}',
            '{"a": [{"client_secret": "***"}]}',
        ),
        ("environment_config", '{"command":"/boot"}', '{"command":"/boot"}'),
        ("environment_config", "localhost:50000", "localhost:50000"),
        ("labels", {"team": "a", "token": "hush"}, {"team": "a", "token": "***"}),
        *[("top", 3, 3), ("verbose", True, True), ("text", "[1, 2]", "[1, 2]")],
        ("save_main_session", None, None),
    ],
)
def test_the_secrets_of_an_option_are_hidden(name: str, value: object, shown: object) -> None:
    assert redact_value(name, value) == shown


def test_no_secret_is_in_a_report_or_a_message(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    here = Here(capfdbinary)
    config = json.dumps({"command": "/boot", "env": {"DB": "hush"}})
    finished = here(
        *("--text=cat", f"--report={tmp_path}/r.json", f"--report={tmp_path}/r.html"),
        *(f"--environment_config={config}", "--experiments=a,worker_token=hush"),
        "--s3_secret_access_key=hush",
    )
    assert finished.code == 0, finished.err
    for name in ("r.json", "r.html"):
        assert "hush" not in (tmp_path / name).read_text("utf-8")
    options = json.loads((tmp_path / "r.json").read_text("utf-8"))["options"]
    assert options["experiments"] == ["a", "worker_token=***"]
    finished = here("--input=s3://me:hush@host/x.txt")
    assert finished.code == 2
    assert "me:***@host" in finished.err
    assert "hush" not in finished.err


def test_an_error_cannot_do_anything_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("a\x1b[2Jb\rc\x07.txt: gone", 2, as_json=False)
    assert capsys.readouterr().err == "error: a\\x1b[2Jb c\\x07.txt: gone\n"
