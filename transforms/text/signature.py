"""Signatures, which are equal for all anagrams of a word."""


def signature(word: str) -> str:
    """Returns the code points of `word` in sorted order.

    Two words are anagrams of each other if and only if their signatures are equal.

    Example:
      >>> signature("tac")
      'act'
    """
    return "".join(sorted(word))
