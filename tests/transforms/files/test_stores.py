"""What is done to files that are not local is tried as often as the stage around it says."""

from pathlib import Path

import pytest

from tests.support.busy_store import ATTEMPTS
from transforms.files import schemes, stores
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError, applying


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


def test_a_missing_extra_has_the_name_that_pip_knows() -> None:
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert f'\nname = "{schemes._PROJECT}"\n' in project.read_text()
