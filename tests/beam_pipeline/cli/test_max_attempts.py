"""``--max_attempts`` limits the requests that the program itself makes to a store."""

import pytest

from tests.support.busy_store import ATTEMPTS
from tests.support.cli import Here, assert_one_line_error


@pytest.mark.parametrize("option", ["input", "merge", "dictionary"])
def test_what_is_always_busy_is_asked_so_often(
    option: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ATTEMPTS.clear()
    here = Here(capfdbinary)
    text = [] if option == "input" else ["--text=cat"]
    finished = here(*text, f"--{option}=busy://a/b.json", "--max_attempts=2")
    assert_one_line_error(finished, f"--{option}=busy://a/b.json", code=2)
    assert len(ATTEMPTS) == len(set(ATTEMPTS)) * 2


def test_dead_letters_that_are_always_busy_are_asked_for_so_often(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    ATTEMPTS.clear()
    finished = Here(capfdbinary)("replay", "busy://a/dead.jsonl", "--max_attempts=2")
    assert_one_line_error(finished, "busy://a/dead.jsonl", "after 2 attempts", code=2)
    assert ATTEMPTS == ["open"] * 2
