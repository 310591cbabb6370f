"""Beam as in its word count example: lines, words, pairs, a sum for each key.

Shows where most people begin. Nothing is retried: a fault in any element ends the run, as the
local runner does not try again.
"""

import functools
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam

from benchmark_orchestrators._common import Stages, answer, check_text, dictionary
from transforms.text.normalize import words
from transforms.text.signature import signature


class TaskOrchestrator:
    """Keys each word by its signature, sums the pairs, and expands them into dictionary words."""

    def __init__(self, chaos: str = ""):
        self._chaos = chaos
        dictionary()

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder, "text.txt"), Path(folder, "counts")
            source.write_text(text, "utf-8")
            with beam.Pipeline(runner="FnApiRunner") as pipeline:
                (
                    pipeline
                    | beam.io.ReadFromText(str(source))
                    | "filter" >> beam.ParDo(_StageFn("filter", _line, self._chaos))
                    | "extract" >> beam.ParDo(_StageFn("extract", words, self._chaos))
                    | "key" >> beam.ParDo(_StageFn("key", _keyed, self._chaos))
                    | beam.CombinePerKey(sum)
                    | "expand" >> beam.ParDo(_StageFn("expand", _members, self._chaos))
                    | beam.Map(json.dumps)
                    | beam.io.WriteToText(str(result))
                )
            shards = Path(folder).glob("counts-*")
            lines = (line for shard in shards for line in shard.open(encoding="utf-8"))
            return answer(began, dict(map(json.loads, lines)))


@functools.cache
def _stages(chaos: str) -> Stages:
    """Returns the stages of this process, so that each run gets other faults."""
    return Stages(chaos, retries=False)


class _StageFn(beam.DoFn):
    def __init__(self, stage: str, work: Any, chaos: str):
        self._stage, self._work, self._chaos = stage, work, chaos

    def setup(self) -> None:
        self._stages = _stages(self._chaos)

    def process(self, element: Any) -> Iterable[Any]:
        yield from self._stages.do(self._stage, self._work, element)


def _line(line: str) -> list[str]:
    return [line]


def _keyed(word: str) -> list[tuple[str, int]]:
    return [(signature(word), 1)]


def _members(counted: tuple[str, int]) -> Iterator[tuple[str, int]]:
    key, count = counted
    return ((word, count) for word in dictionary().get(key, ()))
