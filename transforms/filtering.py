"""Handles bytes that are not valid text, according to the settings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apache_beam.pvalue import PCollection

from transforms.checks import check_type
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.groups import GroupedStage, InGroup
from transforms.stages.retry import Resilience, describe
from transforms.stages.stage import ElementFn
from transforms.stages.totals import Count
from transforms.text.blocks import Block, undecodable
from transforms.text.encoding import Encoding
from transforms.text.settings import TextSettings


@dataclass
class FilterBlocks(GroupedStage):
    """Checks that blocks are valid text, and passes on what the settings allow.

    With ``replace`` all blocks are passed on, and later stages delete invalid bytes. With
    ``strict`` the first invalid byte raises `UndecodableTextError`. With ``quarantine`` lines with
    invalid bytes become dead letters, and the others are passed on.

    Attributes:
      text: how bytes become words.
    """

    text: TextSettings = field(default_factory=TextSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(TextSettings, text=self.text)

    @property
    def expects_dead_letters(self) -> bool:
        return super().expects_dead_letters or self.text.encoding_errors == "quarantine"

    def expand(self, blocks: PCollection[Block | InGroup[Block]]) -> PCollection[Any]:
        fn = _FilterFn(self.text.encoding_errors, self.resilience)
        return self.apply_fn(blocks, "FilterBlock", fn, Block)


class _FilterFn(ElementFn):
    def __init__(self, encoding_errors: str, resilience: Resilience):
        super().__init__("filter", resilience)
        self._encoding_errors = encoding_errors

    def process_element(self, block: Block) -> list[Any]:
        error = None if self._encoding_errors == "replace" else decoding_error(block)
        if error is None:
            return [block]
        if self._encoding_errors == "strict":
            raise undecodable(block.source, block.offset, error)
        return list(split_at_invalid_lines(block))

    def dead_letter_payload(self, block: Block) -> Block:
        return block

    def count(self, block: Block, results: list[Any]) -> None:
        if block.invalid_bytes:
            self.totals.add(Count.INVALID_BYTES, block.invalid_bytes)
        if len(results) > 1:  # each piece is a block from here on
            self.totals.add(Count.BLOCKS_READ, len(results) - 1)

    def process(self, block: Block) -> list[Any]:
        return [
            self.emit_dead_letter(piece) if isinstance(piece, DeadLetter) else piece
            for piece in super().process(block)
        ]


def decoding_error(block: Block) -> UnicodeDecodeError | None:
    """Returns the error of decoding the bytes of `block` in its encoding, or None."""
    try:
        block.data.decode(block.encoding)
    except UnicodeDecodeError as error:
        return error
    return None


def split_at_invalid_lines(block: Block) -> Iterator[Block | DeadLetter]:
    """Splits a block into blocks of valid lines and a dead letter for each invalid line."""
    begin = 0  # of the valid lines that have not been yielded yet
    for start, end in _lines(block):
        line = _slice(block, start, end)
        error = decoding_error(line)
        if error is None:
            continue
        if begin < start:
            yield _slice(block, begin, start)
        cause = f"{describe(error)} (byte {line.offset + error.start} of the file)"
        yield DeadLetter("filter", cause, 1, line)
        begin = end
    if begin < len(block.data):
        yield _slice(block, begin, len(block.data))


def _slice(block: Block, start: int, end: int) -> Block:
    return block._replace(offset=block.offset + start, data=block.data[start:end])


def _lines(block: Block) -> Iterator[tuple[int, int]]:
    """Yields the start and end of each line of `block`, in bytes."""
    encoding, start = Encoding(block.encoding), 0
    while start < len(block.data):
        end = encoding.find("newline", block.data, start, len(block.data), block.offset)
        end = end if end >= 0 else len(block.data)
        yield start, end
        start = end
