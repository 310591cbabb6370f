"""Word -> signature: what all anagrams of a word share."""


def signature(word: str) -> str:
    """`word` -> its code points, sorted: ``"cat" -> "act"``."""
    return "".join(sorted(word))
