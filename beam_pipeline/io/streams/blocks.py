"""Counts blocks where they enter a pipeline, in the windows that they are in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.blocks import Block


@dataclass
class CountBlocks(Stage):
    """Adds the blocks that pass to the totals, as a source of files does with those it reads."""

    measures: ClassVar = frozenset({Count.BYTES_READ, Count.BLOCKS_READ})

    def expand(self, blocks: PCollection[Block]) -> PCollection[Block]:
        return self.apply_fn(blocks, "CountBlock", _CountFn(self.resilience), Block)


class _CountFn(StageFn):
    def process(self, block: Block) -> Iterator[Block]:
        self.totals.add(Count.BYTES_READ, len(block.data))
        self.totals.add(Count.BLOCKS_READ)
        yield block

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals()
