"""Text from outside is shown with every character visible."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.pages.text import visible


def test_control_characters_and_undecodable_bytes_are_escaped() -> None:
    assert visible("a\tb\x00\x85\udc80") == r"a\tb\x00\x85\udc80"
    assert visible("naïve 漢字 <b>") == "naïve 漢字 <b>"


@given(st.text())
def test_visible_text_can_be_encoded_and_has_no_controls(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any(unicodedata.category(char) == "Cc" for char in shown)
    assert visible(shown) == shown
