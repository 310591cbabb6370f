"""Reads reports of runs, and results of the benchmark commands, that were saved as JSON.

The files are untrusted, so only the fields that are compared are used, after checking their types.
"""

import enum
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from beam_pipeline.errors import ReportError
from beam_pipeline.io.dead_letters import open_buffered
from beam_pipeline.pages.text import brief
from beam_pipeline.report.model import SCHEMA_VERSION
from transforms.stages.retry import Retrier, applied_resilience

# The maximum size of a report, in bytes.
_MAX_SIZE = 1 << 28
# Fields that affect neither the results nor the time and memory of a run.
_UNIMPORTANT_OPTIONS = ("output", "report", "log_format", "progress", "verbose")
_RIGHT = "right"
#: The kind of a report of a run.
RUN = "a run"


class Unit(enum.Enum):
    """The unit of a figure."""

    NUMBER = enum.auto()
    BYTES = enum.auto()
    SECONDS = enum.auto()


class Limit(enum.Enum):
    """The options that limit figures."""

    TIME = "max_slowdown"
    MEMORY = "max_memory_growth"


class Figure(NamedTuple):
    """A number in a report; its value is None if unknown.

    Attributes:
      value: the value, in `unit`.
      unit: the unit of the value.
      limit: the option that limits it, if any.
      is_measured: whether it depends on the machine and its load, not only on the data.
    """

    value: float | None
    unit: Unit = Unit.NUMBER
    limit: Limit | None = None
    is_measured: bool = False


class SavedClass(NamedTuple):
    """An anagram class in a report: its count and its words."""

    count: int  # type: ignore[assignment]  # shadows tuple.count
    words: tuple[str, ...]


@dataclass(frozen=True)
class SavedReport:
    """The saved report of a run, or the saved results of a benchmark command.

    Attributes:
      path: the path of the file.
      kind: the command that saves such files.
      facts: settings and versions, by the names of the fields.
      figures: counts and measurements, by the names of the fields.
      results: the identity of each result, equal only if the results are; None if unknown.
      classes: the largest anagram classes of the result, by signature; None if they are unknown.
      failure: why there is no result; empty if there is one.
    """

    path: str
    kind: str
    facts: Mapping[str, Any]
    figures: Mapping[str, Figure]
    results: Mapping[str, str] | None
    classes: Mapping[str, SavedClass] | None = field(default=None)
    failure: str = ""


def read_saved(path: str, *, max_size: int = _MAX_SIZE) -> SavedReport:
    """Reads a report of a run, or the JSON of a benchmark command, on any Beam filesystem.

    Args:
      path: the path of the file, which may be compressed.
      max_size: larger files are refused, in bytes.

    Raises:
      ReportError: it cannot be read, or is not such a file.
    """
    try:
        with open_buffered(path, Retrier("read", applied_resilience())) as file:
            data = file.read(max_size + 1)
    except Exception as error:  # each filesystem and decompressor raises its own
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ReportError(f"{path}: cannot be read ({reason})") from error
    if len(data) > max_size:
        raise ReportError(f"{path}: is too large for a report")
    try:
        fields = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
        kind = _kind(fields)
        return _READERS[kind](path, fields)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ReportError(f"{path}: is not a report saved as JSON ({reason})") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _kind(fields: Any) -> str:
    if not isinstance(fields, dict):
        raise ValueError("it is not an object")
    for kind, mark in (("run", "status"), ("compare", "subjects"), ("throughput", "rows")):
        if mark in fields:
            newest = {"run": SCHEMA_VERSION, "compare": 2, "throughput": 1}[kind]
            if (_number(fields, "schema_version") or 0) > newest:
                raise ValueError(
                    f"its schema_version is {fields['schema_version']}, and this program knows "
                    f"none above {newest}"
                )
            return kind
    raise ValueError("it has none of the fields status, subjects, rows")


def _run(path: str, fields: Mapping[str, Any]) -> SavedReport:
    facts: dict[str, Any] = {"status": _text(fields, "status"), "runner": _text(fields, "runner")}
    for name in ("versions", "options", "dictionary", "input"):
        of_name = _object(fields, name)
        facts |= {f"{name}.{key}": of_name[key] for key in sorted(of_name)}
    for name in (*(f"options.{option}" for option in _UNIMPORTANT_OPTIONS), "dictionary.sources"):
        facts.pop(name, None)
    stored = {"files": Unit.NUMBER, "bytes": Unit.BYTES}
    figures = {
        f"input.{name}": Figure(_number(_object(fields, "input"), name), unit)
        for name, unit in stored.items()
    }
    facts = {name: fact for name, fact in facts.items() if name not in figures}
    metrics = _object(fields, "metrics")
    for name in metrics:
        if not isinstance(metrics[name], dict):  # as distributions are
            unit = Unit.BYTES if name.endswith("bytes") or name == "bytes_read" else Unit.NUMBER
            figures[f"metrics.{name}"] = Figure(_number(metrics, name), unit)
    if isinstance(fields.get("stream"), dict):
        stream = _object(fields, "stream")
        facts["stream.kind"] = stream.get("kind")
        for name in ("messages", "lag", "windows", "words_late"):
            figures[f"stream.{name}"] = Figure(_number(stream, name), Unit.NUMBER)
    seconds, size = Unit.SECONDS, Unit.BYTES
    figures["wall_seconds"] = _measured(fields, "wall_seconds", seconds, Limit.TIME)
    figures["cpu_seconds"] = _measured(fields, "cpu_seconds", seconds)
    for phase in _objects(fields, "phases"):
        figures[f"phases.{_text(phase, 'name')}"] = _measured(phase, "seconds", seconds)
    figures["peak_memory_bytes"] = _measured(fields, "peak_memory_bytes", size, Limit.MEMORY)
    figures["peak_process_bytes"] = _measured(fields, "peak_process_bytes", size)
    digests = [_text(file, "sha256") for file in _objects(fields, "result")]
    return SavedReport(
        path,
        RUN,
        facts,
        figures,
        {"result": " ".join(digests)} if digests else None,
        None if fields.get("largest_classes") is None else dict(_classes(fields)),
        "" if facts["status"] == "done" else "the run failed",
    )


def _classes(fields: Mapping[str, Any]) -> Iterator[tuple[str, SavedClass]]:
    for one in _objects(fields, "largest_classes"):
        words = one["words"]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"words is {brief(words)}")
        count = one["count"]
        if type(count) is not int or not 0 < count < 1 << 63:
            raise ValueError(f"count is {brief(count)}")
        yield _text(one, "signature"), SavedClass(count, tuple(words))


def _comparison(path: str, fields: Mapping[str, Any]) -> SavedReport:
    facts, figures = _conditions(fields, "settings")
    results: dict[str, str] = {}
    for subject in _objects(fields, "subjects"):
        for one in _objects(subject, "orchestrators"):
            name = f"{_text(subject, 'name')}.{_text(one, 'name')}"
            results[name] = facts[f"{name}.verdict"] = _text(one, "verdict")
            runtime = one.get("runtime") or {}
            if not isinstance(runtime, dict):
                raise ValueError(f"runtime is {brief(runtime)}")
            seconds, size = Unit.SECONDS, Unit.BYTES
            figures[f"{name}.runtime.median"] = _measured(runtime, "median", seconds, Limit.TIME)
            figures[f"{name}.peak_bytes"] = _measured(one, "peak_bytes", size, Limit.MEMORY)
            figures[f"{name}.start_seconds"] = _measured(one, "start_seconds", seconds)
    return SavedReport(path, "benchmark or compare-benchmarks", facts, figures, results)


def _throughput(path: str, fields: Mapping[str, Any]) -> SavedReport:
    facts, figures = _conditions(fields, "machine")
    results: dict[str, str] = {}
    for row in _objects(fields, "rows"):
        name = f"{_text(row, 'section')}.{_text(row, 'name')}"
        results[name] = _text(row, "error") or _RIGHT
        figures[f"{name}.size_bytes"] = Figure(_number(row, "size_bytes"), Unit.BYTES)
        figures[f"{name}.seconds"] = _measured(row, "seconds", Unit.SECONDS, Limit.TIME)
        figures[f"{name}.peak_bytes"] = _measured(row, "peak_bytes", Unit.BYTES, Limit.MEMORY)
    return SavedReport(path, "throughput", facts, figures, results)


def _conditions(fields: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Figure]]:
    """Returns the settings of benchmarks, and the measured load of the machine."""
    facts = {f"{name}.{key}": fact for key, fact in _object(fields, name).items()}
    figures = {}
    if facts.pop(load := f"{name}.load", None) is not None:
        figures[load] = _measured(_object(fields, name), "load", Unit.NUMBER)
    return {**facts, "complete": fields.get("complete")}, figures


_READERS: Mapping[str, Callable[[str, Mapping[str, Any]], SavedReport]] = {
    "run": _run,
    "compare": _comparison,
    "throughput": _throughput,
}


def _measured(
    fields: Mapping[str, Any], name: str, unit: Unit, limit: Limit | None = None
) -> Figure:
    return Figure(_number(fields, name), unit, limit, is_measured=True)


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not (0 <= value < 1 << 63 and math.isfinite(value)):
        raise ValueError(f"{name} is {brief(value)}")
    return float(value) if isinstance(value, float) else value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {brief(value)}")
    return value


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields[name]
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {brief(value)}")
    return value


def _objects(fields: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{name} is {brief(value)}")
    return value
