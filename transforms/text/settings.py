"""The settings by which bytes become words. All stages of a pipeline must agree on them."""

from dataclasses import dataclass

from transforms.checks import check_one_of
from transforms.text.encoding import ERROR_POLICIES
from transforms.text.normalize import NORMALIZATIONS


@dataclass(frozen=True)
class TextSettings:
    """How bytes become words.

    Attributes:
      normalization: ``unicode`` or ``ascii``, see `transforms.text.normalize`.
      encoding_errors: what to do with bytes that are not valid in their encoding: ``replace``
        leaves them out of their word, ``strict`` fails, ``quarantine`` writes their line to the
        dead letters.

    Raises:
      ValueError: naming the setting that is not permitted.
    """

    normalization: str = "unicode"
    encoding_errors: str = "replace"

    def __post_init__(self) -> None:
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        check_one_of(ERROR_POLICIES, encoding_errors=self.encoding_errors)
