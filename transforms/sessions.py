"""Puts text into sessions, which all words of it share."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import FixedWindows, Sessions
from apache_beam.typehints import KV

from transforms.checks import check_positive
from transforms.stages.windows import SetWindowing


@dataclass
class GroupSessions(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Puts texts into sessions, which end where no text has come for some time.

    In Beam's own `Sessions` each signature has sessions of its own, because a grouping merges
    windows key by key. Here the texts of a session are grouped first, so that they leave one
    worker together, when the session is over. What comes later than that is dropped.

    Attributes:
      gap: between the texts of two sessions, in whole seconds at least.

    Example:
      records = texts | GroupSessions(30) | CountAnagrams() | WriteResults("sessions")
    """

    gap: int

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(gap=self.gap)

    def expand(self, texts: PCollection[Any]) -> PCollection[Any]:
        element_type = texts.element_type
        # No window merges behind the grouping. To runners these are windows of Beam's from a start
        # to an end, like any others; nobody assigns them again.
        never_merged = Windowing(FixedWindows(self.gap))
        grouped: PCollection[Any] = (
            texts
            | "IntoSessions" >> beam.WindowInto(Sessions(self.gap))
            | "KeyTogether" >> beam.Map(_with_one_key).with_output_types(KV[int, element_type])
            | "GroupSession" >> beam.GroupByKey()
            | "TextsOfSession" >> beam.FlatMap(_texts_of).with_output_types(element_type)
            | "SetSessions" >> SetWindowing(never_merged, element_type)
        )
        return grouped


def _with_one_key(text: Any) -> tuple[int, Any]:
    return 0, text


def _texts_of(group: tuple[int, Any]) -> Any:
    return group[1]
