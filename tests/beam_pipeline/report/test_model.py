"""The JSON of a report conforms to its schema, whatever the run was like; it is written whole."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.report.model import RunReport, to_json
from beam_pipeline.report.write import write
from tests.support.reports import SCHEMA, check_schema, done, failed
from transforms.errors import AnagramError


def test_the_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_names_every_field() -> None:
    assert set(SCHEMA["properties"]) == {field.name for field in dataclasses.fields(RunReport)}
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


@pytest.mark.parametrize("report", [done(), failed()])
def test_reports_conform_to_the_schema(report: RunReport) -> None:
    plain = check_schema(to_json(report))
    assert plain["status"] == report.status
    assert plain["wall_seconds"] == report.wall_seconds


@pytest.mark.parametrize(
    "change",
    [
        {"status": "fine"},
        {"schema_version": 1},
        {"metrics": {}},
        {"peak_memory_bytes": -1},
        {"largest_classes": [{"signature": "act", "count": 0, "words": ["cat"]}]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_not_a_report(change: dict[str, object]) -> None:
    plain = json.loads(to_json(done())) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, SCHEMA)


def test_what_is_not_known_is_null() -> None:
    plain = check_schema(to_json(failed()))
    assert plain["metrics"]["words"] is None
    assert plain["peak_memory_bytes"] is None
    assert plain["invariants"] is None
    assert plain["unknown"]["metrics"] == "the run failed"


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    plain = check_schema(to_json(done(error=text, options={"text": text, text: 1})))
    assert plain["error"] == plain["options"]["text"] == text


def test_bytes_that_are_not_text_are_valid_json() -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    written = to_json(failed(error=name)).encode()
    assert check_schema(written.decode())["error"] == "caf\\udce9.txt"


@pytest.mark.parametrize("name", ["report.json", "report.html", "REPORT.HTML"])
def test_a_report_is_written_whole_in_place_of_an_old_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("old")
    write(done(), str(path))
    text = path.read_text("utf-8")
    assert text.startswith("<!doctype html>" if "html" in name.lower() else "{")
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_a_report_that_cannot_be_written_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = f"{tmp_path}/file/report.json"
    with pytest.raises(AnagramError, match=f"{path}: cannot be written"):
        write(done(), path)
