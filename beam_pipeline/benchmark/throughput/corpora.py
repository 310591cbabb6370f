"""Texts to measure throughput on, made from a given file."""

import random
import re
from pathlib import Path

_ACCENTED = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
_WORD = re.compile(r"[A-Za-z]+")
_SYLLABLES = (
    *("an", "be", "ca", "do", "el", "fi", "go", "hu", "in", "jo", "ka", "li", "mo", "nu", "or"),
    *("pe", "qui", "ro", "sa", "ti", "ur", "ve", "wi", "xy", "zo", "st", "th", "er", "ing", "ed"),
)
_PART_BYTES = 1 << 24
# As many as a person might have in one.
_FILES_PER_FOLDER = 1000


def repeat(source: Path, target: Path, size: int) -> int:
    """Writes a text of about a given size: the beginning of a file, or all of it several times.

    Args:
      source: the file.
      target: where the text is written.
      size: the number of bytes wanted.

    Returns:
      The number of bytes written. The text ends with a whole line.
    """
    written = 0
    with target.open("wb") as out:
        while written < size:
            with source.open("rb") as file:
                while written < size and (part := file.read(min(_PART_BYTES, size - written))):
                    written += out.write(part)
                if written >= size:
                    written += out.write(file.readline())
            if source.stat().st_size == 0:
                break
        written += out.write(b"\n")
    return written


def scatter(source: Path, folder: Path, files: int) -> int:
    """Cuts a text at line ends into about a given number of files.

    Args:
      source: the text.
      folder: where the files are written, in folders of their own.
      files: how many are wanted.

    Returns:
      The number of bytes written.
    """
    size = -(-source.stat().st_size // files) or 1
    written = 0
    with source.open("rb") as file:
        number = 0
        while part := file.read(size):
            part += file.readline()
            path = folder / f"{number // _FILES_PER_FOLDER:03}" / f"{number:06}.txt"
            path.parent.mkdir(exist_ok=True)
            written += path.write_bytes(part)
            number += 1
    return written


def make_words(target: Path, number: int) -> int:
    """Writes a list of made-up words, the same ones each time; many are anagrams of others.

    Args:
      target: where the list is written, a word on each line.
      number: how many different words.

    Returns:
      The number of bytes written.
    """
    chosen = random.Random(number)
    words: dict[str, None] = {}
    while len(words) < number:
        words["".join(chosen.choices(_SYLLABLES, k=chosen.randint(2, 6)))] = None
    return target.write_bytes("\n".join([*words, ""]).encode())


def accent(source: Path, target: Path, size: int, share: float) -> int:
    """Writes the ASCII text of a file, with accents in a share of its words.

    Args:
      source: the file.
      target: where the text is written.
      size: how many bytes of the file to take.
      share: from 0 to 1.

    Returns:
      The number of bytes written.
    """
    with source.open("rb") as file:
        text = file.read(size).decode("ascii", "ignore")
    due = 0.0

    def accented(match: "re.Match[str]") -> str:
        nonlocal due
        due += share
        if due < 1:
            return match.group()
        due -= 1
        word = match.group().translate(_ACCENTED)
        return word if not word.isascii() else f"{word}é"

    return target.write_bytes(_WORD.sub(accented, text).encode())
