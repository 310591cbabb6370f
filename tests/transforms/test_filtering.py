"""FilterBlocks tells text from other bytes, as its policy has it."""

from itertools import pairwise

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from tests.support.beam import assert_gives, pipeline
from transforms.filtering import FilterBlocks, decoding_error, split_at_invalid_lines
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.side_outputs import SideOutputs
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings

GOOD = [
    Block("a", 0, "café\n".encode()),
    Block("b", 7, "cat".encode("utf-16-le"), "utf-16-le"),
    Block("c", 0, b"caf\xe9", "latin-1"),
    Block("d", 0, b""),
]
BAD = Block("some.txt", 9000, b"the cat\nis \xff\non the\nmat\n\xe2\x82\nlast")


@pytest.mark.parametrize("errors", ["replace", "strict", "quarantine"])
def test_valid_text_passes_as_it_is(errors: str) -> None:
    assert_gives(
        GOOD, FilterBlocks(TextSettings(encoding_errors=errors), side_outputs=SideOutputs()), GOOD
    )


def test_replace_lets_all_pass() -> None:
    assert_gives([BAD], FilterBlocks(TextSettings(encoding_errors="replace")), [BAD])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_strict_fails_at_the_offset_in_the_file(encoding: str) -> None:
    bad_byte = b"\xff" if encoding == "utf-8" else b"\x00\xdc"
    text = "the cat ".encode(encoding)
    bad = Block("some.txt", 9000, text + bad_byte + " sat".encode(encoding), encoding)
    message = rf"some\.txt: byte {9000 + len(text)}: not valid {encoding}"
    with pytest.raises(Exception, match=message):
        assert_gives([*GOOD, bad, *GOOD], FilterBlocks(TextSettings(encoding_errors="strict")), [])


def test_quarantine_makes_dead_letters_of_invalid_lines() -> None:
    side_outputs = SideOutputs()
    with pipeline() as p:
        text = TextSettings(encoding_errors="quarantine")
        kept = p | beam.Create([BAD]) | FilterBlocks(text, side_outputs=side_outputs)
        lines = [Block("some.txt", 9000, b"the cat\n"), Block("some.txt", 9013, b"on the\nmat\n"),
                 Block("some.txt", 9027, b"last")]  # fmt: skip
        assert_that(kept, equal_to(lines), "Kept")
        (letters,) = side_outputs.dead_letters
        quarantined = letters | beam.Map(
            lambda letter: (letter.stage, letter.attempts, letter.payload)
        )
        bad = [Block("some.txt", 9008, b"is \xff\n"), Block("some.txt", 9024, b"\xe2\x82\n")]
        assert_that(quarantined, equal_to([("filter", 1, line) for line in bad]), "Quarantined")


@given(
    st.lists(st.sampled_from([b"cat", b" ", b"\n", b"\xff", "é".encode(), b"\xe2\x82"])),
    st.integers(0, 99),
)
def test_splitting_keeps_every_byte_and_removes_only_invalid_lines(
    pieces: list[bytes], offset: int
) -> None:
    block = Block("a", offset, b"".join(pieces))
    pieces_found: list[tuple[Block, bool]] = []
    for piece in split_at_invalid_lines(block):
        if isinstance(piece, DeadLetter):
            assert isinstance(piece.payload, Block)
            pieces_found.append((piece.payload, True))
        else:
            pieces_found.append((piece, False))
    assert b"".join(part.data for part, _ in pieces_found) == block.data
    at = offset
    for part, is_bad in pieces_found:
        assert part.offset == at
        at += len(part.data)
        assert (decoding_error(part) is not None) == is_bad
        if is_bad:
            assert part.data.count(b"\n") <= 1
    kinds = [is_bad for _, is_bad in pieces_found]
    assert not any(not first and not second for first, second in pairwise(kinds))


def test_invalid_settings_are_refused_by_name_and_value() -> None:
    with pytest.raises(ValueError, match=r"encoding_errors='ignore'.*replace.*strict.*quarantine"):
        TextSettings(encoding_errors="ignore")
