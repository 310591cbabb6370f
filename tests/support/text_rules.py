"""All rules by which text becomes words."""

from hypothesis import strategies as st

from tests.support import reference
from transforms.text.normalize import NORMALIZATIONS, PUNCTUATION_RULES
from transforms.text.settings import TextSettings

RULES = [
    TextSettings(normalization, punctuation=punctuation)
    for normalization in NORMALIZATIONS
    for punctuation in PUNCTUATION_RULES
]
rules = st.sampled_from(RULES)


def words_of(text: str, rule: TextSettings) -> list[str]:
    """Returns the words of a text, as the reference reads them."""
    return reference.words(text, rule.normalization, rule.punctuation)
