"""A dead letter comes back from its line exactly; what is none is one clear error."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.io.dead_letters import read_dead_letters
from transforms.errors import AnagramError
from transforms.stages.chaos import STAGES
from transforms.stages.dead_letters import ClassCount, DeadLetter, FilePattern, from_json, to_json
from transforms.text.blocks import Block, FileRange

#: File names as Python has them: bytes that are no text are lone surrogates.
paths = st.binary(min_size=1, max_size=12).map(os.fsdecode)
offsets = st.integers(0, 1 << 60)
anything = st.text(max_size=9)
blocks = st.builds(
    Block, paths, offsets, st.binary(max_size=40), st.sampled_from(["utf-8", "utf-16-le"]), offsets
)
# The size of a file is not written: it may be another one when the range is read again.
parts = st.builds(
    FileRange, paths, offsets, st.none() | offsets, st.booleans(), st.none() | anything, st.none()
)
classes = st.builds(ClassCount, anything, offsets, st.lists(anything, max_size=4).map(tuple))
patterns = st.builds(FilePattern, paths, st.lists(paths, max_size=4).map(tuple))
letters = st.builds(
    DeadLetter, st.sampled_from(STAGES), paths | anything, st.integers(1, 99),
    st.one_of(blocks, parts, patterns, classes),
)  # fmt: skip
settings = st.dictionaries(anything, st.none() | st.integers() | anything, max_size=3)


@given(letters, settings)
def test_any_letter_comes_back_from_one_line_of_ascii(
    letter: DeadLetter, settings: dict[str, object]
) -> None:
    line = to_json(letter, settings)
    assert line.isascii()
    assert "\n" not in line
    back, its_settings = from_json(line)
    assert (back, its_settings) == (letter, settings)
    assert type(back.payload) is type(letter.payload)


def test_a_letter_can_be_read_by_people_and_other_programs() -> None:
    letter = DeadLetter("words", "OSError: no", 3, Block("a.txt", 7, "café\n".encode()))
    fields = json.loads(to_json(letter, {"top": 3}))
    assert fields == {
        "stage": "words",
        "cause": "OSError: no",
        "attempts": 3,
        "source": "a.txt",
        "offset": 7,
        "kind": "block",
        "encoding": "utf-8",
        "invalid_bytes": 0,
        "text": "café\n",
        "settings": {"top": 3},
    }


GOOD = json.loads(to_json(DeadLetter("words", "x", 3, Block("a", 7, b"\xff")), {}))
PART = json.loads(to_json(DeadLetter("read", "x", 3, FileRange("a", 7, None)), {}))
CLASS = json.loads(to_json(DeadLetter("read", "x", 3, ClassCount("act", 7, ("cat",))), {}))
PATTERN = json.loads(to_json(DeadLetter("read", "x", 1, FilePattern("a/**", ("a/b",))), {}))


def wrong() -> list[str]:
    """Lines that are no dead letters."""
    lines = ["", "{", "[]", "3", "null", '"text"', "{}", "\\", "[" * 100_000]
    for fields in (GOOD, PART, PATTERN, CLASS):
        lines += [json.dumps({**fields, "kind": "other"})]
        unused = {id(CLASS): {"source", "offset"}, id(PATTERN): {"offset"}}.get(id(fields), set())
        for name in sorted(fields.keys() - unused):
            lines.append(json.dumps({key: fields[key] for key in fields if key != name}))
            lines.append(json.dumps({**fields, name: [{}]}))
    lines += [json.dumps({**GOOD, "base64": "no base 64!"}), json.dumps({**GOOD, "offset": -1})]
    lines += [json.dumps({**GOOD, "text": "\ud800"}), json.dumps({**CLASS, "count": "7"})]
    for no_list in ("a", {"a": 1}, None):
        lines += [
            json.dumps({**PATTERN, "except": no_list}),
            json.dumps({**CLASS, "words": no_list}),
        ]
    return lines


@pytest.mark.parametrize("line", wrong(), ids=lambda line: line[:60] or "empty")
def test_what_is_no_letter_is_one_error_with_its_line_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(AnagramError, match=r"dead\.jsonl: line 2: not a dead letter"):
        list(read_dead_letters(str(path)))


@pytest.mark.parametrize("data", [b"\xff\n", b"\x00\n"])
def test_bytes_that_are_no_text_are_an_error_with_their_line_number(
    data: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_bytes(data)
    with pytest.raises(AnagramError, match=r"dead\.jsonl: line 1: "):
        list(read_dead_letters(str(path)))
