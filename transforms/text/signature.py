"""Signatures: what all anagrams of a word have in common."""


def signature(word: str) -> str:
    """Returns the code points of `word` in sorted order.

    Two words are anagrams of each other exactly if their signatures are equal.

    Example:
      >>> signature("tac")
      'act'
    """
    return "".join(sorted(word))
