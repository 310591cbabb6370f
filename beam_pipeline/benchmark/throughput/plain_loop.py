"""The anagrams of a text by plain loops over a word list: ``plain_loop.py WORDS TEXT``.

This is what a programmer would write in a few minutes. The trials with a large dictionary are
compared with it. It prints how many words of the list have anagrams in the text.
"""

import sys
from collections import Counter, defaultdict


def main(words: str, text: str) -> None:
    """Counts the anagrams of all words of a list."""
    classes = defaultdict(set)
    with open(words, encoding="utf-8") as file:
        for line in file:
            word = line.strip().casefold()
            classes["".join(sorted(word))].add(word)
    counts: Counter[str] = Counter()
    with open(text, encoding="utf-8", errors="ignore") as file:
        for line in file:
            for piece in line.replace("-", " ").split():
                letters = filter(str.isalnum, piece.casefold())
                counts["".join(sorted(letters))] += 1
    found = {word: count for key, count in counts.items() for word in classes.get(key, ())}
    print(len(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
