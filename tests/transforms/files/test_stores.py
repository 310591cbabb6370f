"""What is done to files that are not local is tried as often as the stage around it says."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from tests.support.busy_store import ATTEMPTS
from transforms.columns.expand import ExpandColumns
from transforms.dictionary import DictionarySpec
from transforms.expand import ExpandSignatures
from transforms.files import schemes, stores
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError, applying
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block


def test_requests_are_tried_as_often_as_the_stage_around_them() -> None:
    ATTEMPTS.clear()
    fast = Resilience(3, initial_backoff=0.0, max_backoff=0.0)
    with applying(fast), pytest.raises(RetriesExhaustedError):
        stores.match(["busy://a/*"])
    assert ATTEMPTS == ["match"] * 3
    ATTEMPTS.clear()
    with pytest.raises(RetriesExhaustedError):
        Retrier("read", fast)(stores.exists, "busy://a/b")
    assert ATTEMPTS == ["exists"] * 3


@pytest.mark.parametrize(
    "stage, element",
    [
        (TallyBlocks, Block.of_text("cat")),
        (ExpandColumns, (0, b"")),
        (ExpandSignatures, ("act", 1)),
    ],
    ids=["TallyBlocks", "ExpandColumns", "ExpandSignatures"],
)
def test_a_worker_asks_for_the_dictionary_as_often_as_its_stage_tries(
    stage: Any, element: Any
) -> None:
    ATTEMPTS.clear()
    fast = Resilience(2, initial_backoff=0.0, max_backoff=0.0)
    apply = stage(dictionary=DictionarySpec("busy://a/words.txt"), resilience=fast)
    failing = pytest.raises(Exception, match=r"busy://a/words\.txt: cannot be read")
    with failing, beam.Pipeline(runner="FnApiRunner") as p:
        p | beam.Create([element]) | apply
    assert ATTEMPTS == ["open"] * 2


def test_a_missing_extra_has_the_name_that_pip_knows() -> None:
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert f'\nname = "{schemes._PROJECT}"\n' in project.read_text()
