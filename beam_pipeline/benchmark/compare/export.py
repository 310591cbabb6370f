"""The results of a comparison as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from beam_pipeline.benchmark.compare.metrics import winners
from beam_pipeline.benchmark.compare.results import OrchestratorResult, SubjectResult
from beam_pipeline.benchmark.compare.summary import summarize

#: One more whenever a field changes its meaning or goes.
SCHEMA_VERSION = 2


def to_json(
    results: Sequence[SubjectResult],
    settings: Mapping[str, Any],
    remarks: Sequence[str] = (),
    *,
    is_complete: bool = True,
) -> str:
    """Returns all figures and all runs, without the words counted.

    Args:
      results: of all subjects.
      settings: what they were measured with.
      remarks: what else there is to say, in a line each.
      is_complete: whether all rounds are there.
    """
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "complete": is_complete,
            "remarks": list(remarks),
            "settings": dict(settings),
            "subjects": [_subject(result) for result in results],
        },
        indent=2,
    )


def _subject(result: SubjectResult) -> dict[str, Any]:
    summaries = summarize(result)
    return {
        "name": result.subject,
        "words": result.words,
        "bytes": result.size_bytes,
        "best": {name: sorted(best) for name, best in winners(summaries).items()},
        "orchestrators": [
            {**asdict(summary), "success_rate": summary.success_rate, "all_runs": _runs(one)}
            for summary, one in zip(summaries, result.orchestrators, strict=True)
        ],
    }


def _runs(result: OrchestratorResult) -> list[dict[str, Any]]:
    runs = []
    for judged in result.runs:
        fields = {name: value for name, value in vars(judged.run).items() if name != "counts"}
        runs.append({"purpose": judged.purpose, "right": judged.is_right, **fields})
    return runs
