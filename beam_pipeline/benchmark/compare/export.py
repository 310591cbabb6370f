"""A finished comparison as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from beam_pipeline.benchmark.compare.comparison import Comparison, Score
from beam_pipeline.benchmark.compare.summary import summarize, winners

SCHEMA_VERSION = 1


def machine() -> dict[str, Any]:
    """What the figures were measured on. `load` is the load average of the last minute."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def to_json(comparisons: Sequence[Comparison], settings: Mapping[str, Any]) -> str:
    """All figures and all runs, without the words counted."""
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "settings": dict(settings),
            "subjects": [_subject(comparison) for comparison in comparisons],
        },
        indent=2,
    )


def _subject(comparison: Comparison) -> dict[str, Any]:
    summaries = summarize(comparison)
    return {
        "name": comparison.subject,
        "words": comparison.words,
        "bytes": comparison.size_bytes,
        "best": {name: sorted(best) for name, best in winners(summaries).items()},
        "orchestrators": [
            {**asdict(summary), "success_rate": summary.success_rate, "all_runs": _runs(score)}
            for summary, score in zip(summaries, comparison.scores, strict=True)
        ],
    }


def _runs(score: Score) -> list[dict[str, Any]]:
    runs = []
    for judged in score.runs:
        fields = {name: value for name, value in vars(judged.run).items() if name != "counts"}
        runs.append({"purpose": judged.purpose, "right": judged.is_right, **fields})
    return runs
