"""A source that has nothing to do when bundles are finalized does not ask for it."""

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.portability.common_urns import primitives
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows

from tests.support.beam import pipeline

unbounded_source = pytest.importorskip("apache_beam.io.unbounded_source", reason="Beam 2.77 has it")


def finalizes(read: beam.PTransform[Any, Any]) -> bool:
    """Returns whether a stage of a transform asks the runner to finalize its bundles."""
    p = pipeline()
    _ = p | read
    stages = [
        beam_runner_api_pb2.ParDoPayload.FromString(stage.spec.payload)
        for stage in p.to_runner_api().components.transforms.values()
        if stage.spec.urn == primitives.PAR_DO.urn
    ]
    assert any(stage.restriction_coder_id for stage in stages)
    return any(stage.requests_finalization for stage in stages)


def test_a_runner_need_not_finalize_what_is_read() -> None:
    from beam_pipeline.io.streams.kafka import ReadKafka
    from beam_pipeline.io.streams.unbounded import ReadUnfinalized

    source = unbounded_source.UnboundedCountingSource(3)
    assert finalizes(unbounded_source.ReadFromUnboundedSource(source))
    assert not finalizes(ReadUnfinalized(source))
    topic = "kafka://127.0.0.1:9/t?group=g"
    assert not finalizes(ReadKafka(topic))
    assert finalizes(ReadKafka(topic, commits=True))


def test_each_element_is_read_once_with_its_time_up_to_the_end() -> None:
    from beam_pipeline.io.streams.unbounded import ReadUnfinalized

    source = unbounded_source.UnboundedCountingSource(250, is_splittable=True)
    with pipeline() as p:
        sums = (
            p
            | ReadUnfinalized(source, poll_interval=0, max_records_per_bundle=7)
            | beam.WindowInto(FixedWindows(100))
            | beam.WithKeys(None)
            | beam.CombinePerKey(sum)
            | beam.Values()
        )
        assert_that(sums, equal_to([sum(range(100)), sum(range(100, 200)), sum(range(200, 250))]))
