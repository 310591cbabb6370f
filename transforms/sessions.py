"""Puts whole texts into sessions."""

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
    """Puts texts into sessions, which end when no text has arrived for some time.

    With Beam's own `Sessions` each signature would have sessions of its own, because a grouping
    merges windows key by key. Here the texts of a session are grouped first, under one key, so that
    one worker emits them together when the session is over. Texts that arrive later are dropped.

    Attributes:
      gap: the minimum time between the texts of two sessions, in whole seconds.

    Example:
      records = texts | GroupSessions(30) | CountAnagrams() | WriteResults("sessions")
    """

    gap: int

    def __post_init__(self) -> None:
        super().__init__()
        check_positive(gap=self.gap)

    def expand(self, texts: PCollection[Any]) -> PCollection[Any]:
        element_type = texts.element_type
        # Windows do not merge after the grouping. To runners they are ordinary interval windows,
        # which are never assigned again.
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
