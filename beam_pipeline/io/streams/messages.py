"""The base of all sources of messages: each message is a `Block`, counted in its window."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.blocks import Block
from transforms.text.encoding import Encoding


@dataclass
class ReadMessages(Stage):
    """Reads messages, each as a `Block`; the base class of sources.

    Attributes:
      window: assigns the windows in which messages are counted; None leaves them in the global
        window.
      encoding: the encoding of messages. If None, a byte order mark decides for each message,
        otherwise it is UTF-8.

    Raises:
      ValueError: a setting is invalid.
    """

    window: beam.PTransform[Any, Any] | None = field(default=None, kw_only=True)
    encoding: str | None = field(default=None, kw_only=True)
    measures: ClassVar = frozenset({Count.BYTES_READ, Count.BLOCKS_READ})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoding is not None:
            Encoding(self.encoding)

    def in_windows(self, blocks: PCollection[Block]) -> PCollection[Block]:
        """Assigns windows to blocks, and counts them in the totals of these windows.

        Args:
          blocks: the messages, with their timestamps.
        """
        if self.window is not None:
            blocks |= "Window" >> self.window
        return self.apply_fn(blocks, "CountBlocks", _CountFn(self.resilience), Block)


class _CountFn(StageFn):
    def process(self, block: Block) -> Iterator[Block]:
        self.totals.add(Count.BYTES_READ, len(block.data))
        self.totals.add(Count.BLOCKS_READ)
        yield block

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals()


def block_of(source: str, offset: int, data: bytes, encoding: Encoding | None) -> Block:
    """Returns a message as a block.

    Args:
      source: the name of its source.
      offset: its position there.
      data: the message.
      encoding: of all messages. If None, a byte order mark decides, otherwise it is UTF-8.
    """
    start = data[:4]
    found = Encoding.detect(start) if encoding is None else encoding.of_stream(start)
    return Block(source, offset, data, found.name)
