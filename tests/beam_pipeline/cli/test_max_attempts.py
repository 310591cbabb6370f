"""``--max_attempts`` limits the requests that the program itself makes to a store."""

import pytest

from tests.support.busy_store import ATTEMPTS
from tests.support.cli import Here, assert_one_line_error


@pytest.mark.parametrize("option", ["input", "merge"])
def test_what_is_always_busy_is_asked_so_often(
    option: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ATTEMPTS.clear()
    here = Here(capfdbinary)
    text = [] if option == "input" else ["--text=cat"]
    finished = here(*text, f"--{option}=busy://a/b.json", "--max_attempts=2")
    assert_one_line_error(finished, f"--{option}=busy://a/b.json", code=2)
    assert len(ATTEMPTS) == len(set(ATTEMPTS)) * 2
