"""A text to measure on."""

from pathlib import Path

import pytest

TEXT = "".join(f"Listen to the {number} silent cats, naïve enough.\n" for number in range(2000))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with the text."""
    path = tmp_path / "source.txt"
    path.write_text(TEXT, "utf-8")
    return path
