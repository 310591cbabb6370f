"""The settings that decide how text becomes words."""

from dataclasses import dataclass

from transforms.checks import check_one_of
from transforms.text.encoding import ERROR_POLICIES
from transforms.text.normalize import NORMALIZATIONS, PUNCTUATION_RULES


@dataclass(frozen=True)
class TextSettings:
    """The settings for text that must be the same in every stage of a pipeline.

    Different stages decode very long words, look for undecodable bytes, and normalize words. If
    their settings differed, words would be lost without an error. Therefore they all receive the
    same value of this type.

    Attributes:
      normalization: how text becomes words, one of `transforms.text.normalize.NORMALIZATIONS`.
      encoding_errors: what happens to bytes that are not valid in their encoding, one of
        `transforms.text.encoding.ERROR_POLICIES`.
      punctuation: whether punctuation and symbols are deleted or separate words, one of
        `transforms.text.normalize.PUNCTUATION_RULES`. It does not matter to dictionaries, whose
        words have no punctuation but apostrophes.

    Raises:
      ValueError: if a setting is not one of its permitted values.
    """

    normalization: str = "unicode"
    encoding_errors: str = "replace"
    punctuation: str = "delete"

    def __post_init__(self) -> None:
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_one_of(ERROR_POLICIES, encoding_errors=self.encoding_errors)
        check_one_of(PUNCTUATION_RULES, punctuation=self.punctuation)
