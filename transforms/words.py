"""Text -> words, and words -> words keyed by what their anagrams share."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from transforms.blocks import Block
from transforms.checks import check_one_of, check_positive
from transforms.counts import ClassTally
from transforms.encoding import ERROR_POLICIES
from transforms.signature import signature
from transforms.text import MAX_WORD_LENGTH, NORMALIZATIONS, words


@dataclass
class DecodeBlocks(beam.PTransform):
    """`Block` -> its text.

    Attributes:
      errors: ``replace`` leaves undecodable bytes out, ``strict`` raises `AnagramError`.
    """

    errors: str = "replace"

    def __post_init__(self) -> None:
        super().__init__()
        check_one_of(ERROR_POLICIES, errors=self.errors)

    def expand(self, blocks: PCollection[Block]) -> PCollection[str]:
        return blocks | "DecodeBlock" >> beam.Map(_decode, self.errors)


def _decode(block: Block, errors: str) -> str:
    return block.decode(errors)[0]


@dataclass
class ExtractWords(beam.PTransform):
    """Text (of any length, cut between words) -> each of its normalized words.

    Attributes:
      normalization: see `transforms.text`.
      min_length: shorter words, in code points, are left out.
    """

    normalization: str = "unicode"
    min_length: int = 1

    def __post_init__(self) -> None:
        super().__init__()
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_positive(min_length=self.min_length)

    def expand(self, text: PCollection[str]) -> PCollection[str]:
        return text | "SplitIntoWords" >> beam.FlatMap(
            _words, self.normalization, self.min_length
        ).with_output_types(str)


def _words(text: str, normalization: str, min_length: int) -> Iterator[str]:
    return (word for word in words(text, normalization) if len(word) >= min_length)


@dataclass
class KeyBySignature(beam.PTransform):
    """Word -> (its signature, 1), ready to be summed by `CountSignatures`."""

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, words: PCollection[str]) -> PCollection[tuple[str, int]]:
        return words | "KeyWord" >> beam.Map(_keyed).with_output_types(tuple[str, int])


def _keyed(word: str) -> tuple[str, int]:
    return signature(word), 1


@dataclass
class KeyWithWord(beam.PTransform):
    """Word -> (its signature, the `ClassTally` of it alone), to be merged by `CollectClasses`.

    Words longer than `MAX_WORD_LENGTH` are left out.
    """

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, words: PCollection[str]) -> PCollection[tuple[str, ClassTally]]:
        return words | "KeyWord" >> beam.FlatMap(_keyed_with_word).with_output_types(
            tuple[str, ClassTally]
        )


def _keyed_with_word(word: str) -> Iterator[tuple[str, ClassTally]]:
    if len(word) <= MAX_WORD_LENGTH:
        yield signature(word), ClassTally(1, (word,))
