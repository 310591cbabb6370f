"""The settings that decide how text becomes words."""

from dataclasses import dataclass

from transforms.checks import check_one_of
from transforms.text.encoding import ERROR_POLICIES
from transforms.text.normalize import NORMALIZATIONS


@dataclass(frozen=True)
class TextSettings:
    """The settings that every stage of a pipeline must agree on.

    A reader that decodes a very long word, a filter that looks for undecodable bytes, and a
    counter that normalizes words are different stages. If they had different ideas of what a word
    is, words would be lost without an error. They are therefore given one value of this type.

    Attributes:
      normalization: how words are made equal, one of `transforms.text.normalize.NORMALIZATIONS`.
      encoding_errors: what happens to bytes that are not valid in their encoding, one of
        `transforms.text.encoding.ERROR_POLICIES`.

    Raises:
      ValueError: if either is none of its permitted values.
    """

    normalization: str = "unicode"
    encoding_errors: str = "replace"

    def __post_init__(self) -> None:
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_one_of(ERROR_POLICIES, encoding_errors=self.encoding_errors)
