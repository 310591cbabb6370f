"""Texts to measure throughput on, made of a given file."""

import re
from pathlib import Path

_ACCENTED = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
_WORD = re.compile(r"[A-Za-z]+")
_PART = 1 << 24


def repeat(source: Path, target: Path, size: int) -> int:
    """Writes the text of `source`, or its begin, until there are about `size` bytes.

    -> how many there are; the text ends with a line.
    """
    written = 0
    with target.open("wb") as out:
        while written < size:
            with source.open("rb") as file:
                while written < size and (part := file.read(min(_PART, size - written))):
                    written += out.write(part)
                if written >= size:
                    written += out.write(file.readline())
            if source.stat().st_size == 0:
                break
        written += out.write(b"\n")
    return written


def scatter(source: Path, folder: Path, files: int) -> int:
    """Writes the text of `source` into about so many `files` in `folder`. -> its bytes"""
    size = -(-source.stat().st_size // files) or 1
    written = 0
    with source.open("rb") as file:
        number = 0
        while part := file.read(size):
            part += file.readline()
            # As many in a folder as a person might have.
            path = folder / f"{number // 1000:03}" / f"{number:06}.txt"
            path.parent.mkdir(exist_ok=True)
            written += path.write_bytes(part)
            number += 1
    return written


def accent(source: Path, target: Path, size: int, share: float) -> int:
    """Writes the ASCII of the first `size` bytes of `source`, in `share` of its words accents.

    -> the bytes of the result.
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
