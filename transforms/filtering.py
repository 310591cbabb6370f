"""Blocks -> blocks of valid text, as the policy for undecodable bytes has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apache_beam.pvalue import PCollection

from transforms.checks import check_one_of
from transforms.stages.dead_letters import DeadLetter
from transforms.stages.retry import Resilience, describe
from transforms.stages.stage import ElementFn, Stage
from transforms.text.blocks import Block, undecodable
from transforms.text.encoding import ERROR_POLICIES, Encoding


@dataclass
class FilterBlocks(Stage):
    """`Block` -> the same, or what is valid of it.

    Attributes:
      errors: what to do with bytes that are no valid text: ``replace`` lets them pass, and later
        stages leave them out; ``strict`` raises `AnagramError`; ``quarantine`` puts the lines
        that have some aside as dead letters.
    """

    errors: str = "replace"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(ERROR_POLICIES, errors=self.errors)

    def expand(self, blocks: PCollection[Block]) -> PCollection[Block]:
        return self.run(blocks, "FilterBlock", _FilterFn(self.errors, self.resilience), Block)


class _FilterFn(ElementFn):
    def __init__(self, errors: str, resilience: Resilience):
        super().__init__("filter", resilience)
        self._errors = errors

    def process_element(self, block: Block) -> list[Any]:
        error = None if self._errors == "replace" else decoding_error(block)
        if error is None:
            return [block]
        if self._errors == "strict":
            raise undecodable(block.source, block.offset, error)
        return list(split_at_invalid_lines(block))

    def dead_letter_payload(self, block: Block) -> Block:
        return block

    def count(self, block: Block, results: list[Any]) -> None:
        if block.invalid_bytes:
            self.totals["invalid_bytes"] += block.invalid_bytes
        if len(results) > 1:  # each piece is a record now
            self.totals["records_read"] += len(results) - 1

    def process(self, block: Block) -> list[Any]:
        return [
            self.emit_dead_letter(piece) if isinstance(piece, DeadLetter) else piece
            for piece in super().process(block)
        ]


def decoding_error(block: Block) -> UnicodeDecodeError | None:
    """What is wrong with the bytes of `block` as text in its encoding."""
    try:
        block.data.decode(block.encoding)
    except UnicodeDecodeError as error:
        return error
    return None


def split_at_invalid_lines(block: Block) -> Iterator[Block | DeadLetter]:
    """A block -> its valid lines, neighbours in one `Block`, and each other line put aside."""
    begin = 0  # of the valid lines that have not been handed out yet
    for start, end in _lines(block):
        line = _piece(block, start, end)
        error = decoding_error(line)
        if error is None:
            continue
        if begin < start:
            yield _piece(block, begin, start)
        cause = f"{describe(error)} (byte {line.offset + error.start} of the file)"
        yield DeadLetter("filter", cause, 1, line)
        begin = end
    if begin < len(block.data):
        yield _piece(block, begin, len(block.data))


def _piece(block: Block, start: int, end: int) -> Block:
    return block._replace(offset=block.offset + start, data=block.data[start:end])


def _lines(block: Block) -> Iterator[tuple[int, int]]:
    """Begin and end of each line of `block`, in bytes."""
    encoding, start = Encoding(block.encoding), 0
    while start < len(block.data):
        end = encoding.find("newline", block.data, start, len(block.data), block.offset)
        end = end if end >= 0 else len(block.data)
        yield start, end
        start = end
