"""Reports to test with, and what a page says to those who read it."""

import functools
import html.parser
import json
from pathlib import Path
from typing import Any

import jsonschema

from beam_pipeline.monitor.run_monitor import Phase, TimelinePoint
from beam_pipeline.report.model import (
    COUNTERS,
    DeadLetters,
    DictionaryIdentity,
    Distribution,
    Input,
    LargestClass,
    LengthCount,
    ResultFile,
    RunReport,
    versions,
)
from transforms.stages.totals import Invariant

SCHEMA = json.loads((Path(__file__).parents[2] / "resources/report.schema.json").read_text())
_NO_DISTRIBUTIONS = dict.fromkeys(("word_length", "block_bytes", "block_microseconds"))


def check_schema(text: str) -> dict[str, Any]:
    """Returns what a report's JSON holds, which must be valid by the schema."""
    report: dict[str, Any] = json.loads(text)
    _validator().validate(report)
    return report


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def done(**changes: Any) -> RunReport:
    """A run of some seconds over four words in three files."""
    report: dict[str, Any] = {
        "status": "done",
        "error": None,
        "started": "2026-01-02T03:04:05+00:00",
        "runner": "FnApiRunner (in_memory, 2 threads)",
        "options": {"engine": "vectorized", "input": ["*.txt"], "min_count": 1, "verbose": False},
        "versions": versions(),
        "dictionary": DictionaryIdentity("gcide", "unicode", 105_381, 97_527, "ab" * 32),
        "input": Input(("*.txt",), 3, 40_000_000),
        "wall_seconds": 3.25,
        "cpu_seconds": 4.5,
        "phases": (Phase("building the pipeline", 0.25), Phase("reading and counting", 3.0)),
        "bytes_per_second": 12_307_692.3,
        "words_per_second": 1.23,
        "peak_memory_bytes": 322_000_000,
        "peak_process_bytes": 300_000_000,
        "metrics": {
            **dict.fromkeys((count.value for count in COUNTERS), 0),
            **_NO_DISTRIBUTIONS,
            "bytes_read": 40_000_000,
            "words": 4,
            "words_matched": 3,
            "words_unmatched": 1,
            "classes": 1,
            "word_length": Distribution(4, 3, 3.5, 5),
        },
        "invariants": (Invariant("words = words matched + words unmatched", 4, 4),),
        "words_by_length": (LengthCount(3, 3), LengthCount(5, 1)),
        "result": (ResultFile("counts.json", 12, "cd" * 32),),
        "largest_classes": (LargestClass("act", 3, ("act", "cat", "tac")),),
        "dead_letters": DeadLetters(None, 0, {}),
        "timeline": tuple(
            TimelinePoint(second / 4, second * 10_000_000, 100_000_000 + second, second / 5, 1)
            for second in range(5)
        ),
    }
    return RunReport(**(report | changes))


def failed(**changes: Any) -> RunReport:
    """A run that failed before anything was known of it."""
    report: dict[str, Any] = {
        "status": "failed",
        "error": "a.txt: cannot be read",
        "started": "2026-01-02T03:04:05+00:00",
        "runner": "FlinkRunner",
        "options": {},
        "versions": versions(),
        "dictionary": DictionaryIdentity("gcide", "unicode"),
        "input": Input(("a.txt",)),
        "wall_seconds": 0.5,
        "metrics": {**dict.fromkeys(count.value for count in COUNTERS), **_NO_DISTRIBUTIONS},
        "unknown": {"metrics": "the run failed", "timeline": "the workers are elsewhere"},
    }
    return RunReport(**(report | changes))


class Page(html.parser.HTMLParser):
    """What is on a page.

    Attributes:
      tags: names of its elements.
      attributes: (tag, name, value) of all of them.
      texts: what is read, a piece for each run of text.
      styles: its style sheets.
    """

    def __init__(self, text: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.styles = ""
        self._in_style = False
        self._piece = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_piece()
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._end_piece()
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles += data
        else:
            self._piece += data

    def _end_piece(self) -> None:
        if self._piece.strip():
            self.texts.append(self._piece)
        self._piece = ""
