"""Makes fresh random texts that resemble a given one."""

import array
import random
import re
from collections.abc import Sequence

from beam_pipeline.benchmark.compare import oracle

# About a line of text, with the rest of its last word and the white space behind it.
_PIECE = re.compile(rb"(?s).{1,80}\S*\s*")
_LETTERS = re.compile(rb"[a-z]+", re.IGNORECASE)
# In models of this size and more only a share of the pieces get other words: such a model has
# enough words of its own.
_LARGE_BYTES = 1 << 20
_REWRITTEN_SHARE = 0.02

# How many words a probe has, how long they are at most, and the forms they are written in.
_PROBE_WORDS = 60
_MAX_PROBE_WORD = 4
_PROBE_FORMS = (
    *("{}", "{}", "{}", "“{}”", "{},", "({})", "{}’s", "{}_{}", "{}'s", "{}.\n\n", "*{}*"),
    *(
        "{}-{}",
        "{}–{}",
        "{}—{}",
        "{}\u2010{}",
        "{}\u00a0{}",
        "{}\u2003{}",
        "{}\x1f{}",
        "{}\u0085{}",
    ),
    *("{}\u0301", "é{}", "{}\u00b4{}", "ﬁ{}", "{}ß", "İ{}", "{}\u0338", "\ufeff{}", "{}７", "{}²"),
    *("{}❤\ufe0f", "{} ❤\ufe0f {}", "{}\u034f{}"),
)

# Other ways to write the letters of a word, which stays the same word.
_SPELLINGS = {"ss": "ß", "fi": "ﬁ", "s": "ſ", "k": "\u212a", "ea": "e\u00ada", "oo": "o\u200bo"}


class FreshTexts:
    """Makes texts of the size and character of a model, in UTF-8.

    A fresh text consists of lines of the model, drawn at random, in which words are replaced by
    others of their length: words of the dictionary, their anagrams, and random letters.

    The texts of a round have the same size for all readers, but different words. In small texts
    even the lines and the lengths of all words are the same. Large texts, in which only a share of
    the words is replaced, consist of different lines for each reader, so many that random
    differences even out.

    Args:
      model: a text in UTF-8.
      seed: the seed of all random choices.
    """

    def __init__(self, model: bytes, seed: str):
        self._model = model
        self._seed = seed
        self._ends = array.array("Q", (match.end() for match in _PIECE.finditer(model)))
        self._is_large = len(model) >= _LARGE_BYTES
        self._by_length = _by_length()

    def make(self, number: int, reader: str) -> bytes:
        """Makes a text.

        Args:
          number: the number of the round.
          reader: the orchestrator. Equal seeds, numbers and readers give equal texts.
        """
        words = random.Random(f"{self._seed} {number} {reader}")
        lines = words if self._is_large else random.Random(f"{self._seed} {number}")
        drawn: list[bytes] = []
        left = len(self._model)
        replacements: dict[str, str] = {}

        def replace(word: "re.Match[bytes]") -> bytes:
            return self._replace(word.group().decode(), replacements, words).encode()

        while left > 0:
            piece = self._draw(lines)
            if not self._is_large or words.random() < _REWRITTEN_SHARE:
                piece = _LETTERS.sub(replace, piece)
            if len(piece) > left:
                piece = piece[:left].decode("utf-8", "ignore").encode()
            drawn.append(piece)
            left -= len(piece) or left
        return b"".join(drawn)

    def _draw(self, source: random.Random) -> bytes:
        index = source.randrange(len(self._ends))
        return self._model[self._ends[index - 1] if index else 0 : self._ends[index]]

    def _replace(self, word: str, replacements: dict[str, str], source: random.Random) -> str:
        """Returns another word in place of a word, in most places of a text the same one."""
        key = word.lower()
        if key not in replacements or source.random() < 0.2:
            replacements[key] = self._invent(len(word), source)
        other = replacements[key]
        if word.isupper() and len(word) > 1:
            return other.upper()
        return other.capitalize() if word[0].isupper() else other

    def _invent(self, length: int, source: random.Random) -> str:
        known = self._by_length[length] if length < len(self._by_length) else ()
        chance = source.random()
        if not known or chance < 0.05:
            return "".join(source.choices("etaoinshrdlu", k=length))
        word = source.choice(known)
        if chance < 0.25:
            return "".join(source.sample(word, length))
        return word


def probe(seed: str) -> str:
    """Makes a short text of short words that exercises all rules of normalization."""
    source = random.Random(seed)
    choice = [word for group in _by_length()[: _MAX_PROBE_WORD + 1] for word in group]
    vocabulary = source.sample(choice, _PROBE_WORDS // 3)
    forms = [*_PROBE_FORMS, *source.choices(_PROBE_FORMS, k=_PROBE_WORDS - len(_PROBE_FORMS))]
    written = [form.format(*source.choices(vocabulary, k=2)) for form in forms]
    for letters, other in _SPELLINGS.items():
        word = source.choice([word for word in choice if letters in word])
        written.append(word.replace(letters, other))
    written += [_widened(word) for word in source.sample(choice, 3)]
    source.shuffle(written)
    return " ".join(written)


def _widened(word: str) -> str:
    """Writes a word in the full-width letters of East Asian typesetting."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in word)


def _by_length() -> Sequence[Sequence[str]]:
    """Returns the words of the dictionary that are ASCII, sorted, by their length."""
    words = sorted(word for word in oracle.words() if word.isascii())
    groups: list[list[str]] = [[] for _ in range(max(map(len, words)) + 1)]
    for word in words:
        groups[len(word)].append(word)
    return groups
