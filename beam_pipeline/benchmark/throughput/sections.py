"""The sections of ``throughput``. Trials are compared within a section.

A new section is a function that yields trials, and an entry of `SECTIONS`.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.benchmark.throughput import corpora
from beam_pipeline.benchmark.throughput.peers import PEERS, peer_trials
from beam_pipeline.benchmark.throughput.trial import Trial

# Shares of words with letters beyond ASCII, and fractions of the size of the text.
_SHARES = (0.0, 0.01, 0.1, 1.0)
_FRACTIONS = (1 / 16, 1 / 4, 1.0)
_CORPUS = ("--dictionary", "none")
# The size of the text that is counted with a large dictionary, in bytes.
_DICTIONARY_TEXT_BYTES = 3_000_000


@dataclass(frozen=True)
class Settings:
    """The settings of trials.

    Attributes:
      text: the file to measure on.
      folder: an empty one for texts and results.
      skip: which of `SKIPPABLE` to leave out.
      files: how many small files to cut the text into.
      letters_bytes: size of the texts with letters beyond ASCII.
      list_words: how many words the large dictionary has.
    """

    text: Path
    folder: Path
    skip: Collection[str] = ()
    files: int = 1000
    letters_bytes: int = 20_000_000
    list_words: int = 1_000_000

    @property
    def size(self) -> int:
        """The size of the text in bytes."""
        return self.text.stat().st_size


def _parts(settings: Settings) -> Iterator[Trial]:
    text, size = settings.text, settings.size
    yield Trial("parts", "whole command", _command(text, settings), size)
    nothing = settings.folder / "nothing.txt"
    nothing.touch()
    yield Trial("parts", "whole command, no text", _command(nothing, settings), 0)
    for name in ("kernel", "source"):
        yield Trial("parts", f"{name} alone", _part(name, text), size, is_self_timed=True)


def _start(settings: Settings) -> Iterator[Trial]:
    text = settings.text
    yield Trial("start", "a Beam pipeline that does nothing", _part("nothing", text), 0)
    cat = settings.folder / "cat.txt"
    cat.write_text("cat")
    yield Trial("start", "one word", _command(cat, settings), 3)
    yield Trial("start", "the whole text", _command(text, settings), settings.size)


def _corpus(settings: Settings) -> Iterator[Trial]:
    text, size = settings.text, settings.size
    yield Trial("corpus", "--dictionary none", _command(text, settings, *_CORPUS), size)
    kernel = _part("words", text)
    yield Trial("corpus", "its kernel alone, one thread", kernel, size, is_self_timed=True)
    for name, trial in peer_trials("corpus", str(text), size, str(settings.folder / "corpus")):
        if name.startswith("polars") and name not in settings.skip:
            yield trial


def _dictionary(settings: Settings) -> Iterator[Trial]:
    words, text = settings.folder / "words.txt", settings.folder / "beginning.txt"
    corpora.make_words(words, settings.list_words)
    size = corpora.repeat(settings.text, text, min(_DICTIONARY_TEXT_BYTES, settings.size))
    loop = [sys.executable, str(Path(__file__).with_name("plain_loop.py")), str(words), str(text)]
    label = f"a list of {settings.list_words:,} words"
    yield Trial("dictionary", f"a plain loop in Python, {label}", loop, size)
    command = _command(text, settings, "--dictionary", str(words))
    yield Trial("dictionary", f"this project, {label}", command, size)


def _sizes(settings: Settings) -> Iterator[Trial]:
    for fraction in _FRACTIONS:
        path = settings.folder / f"part-{fraction:g}.txt"
        size = corpora.repeat(settings.text, path, int(settings.size * fraction))
        yield Trial("size", f"{fraction:g} of the text", _command(path, settings), size)


def _workers(settings: Settings) -> Iterator[Trial]:
    text, size = settings.text, settings.size
    yield Trial("workers", "one process, its threads", _command(text, settings), size)
    for number in sorted({1, os.cpu_count() or 1}):
        mode = ("--direct_running_mode=multi_processing", f"--direct_num_workers={number}")
        yield Trial("workers", f"{number} worker processes", _command(text, settings, *mode), size)


def _files(settings: Settings) -> Iterator[Trial]:
    yield Trial("files", "one file", _command(settings.text, settings), settings.size)
    many = settings.folder / "many"
    many.mkdir()
    size = corpora.scatter(settings.text, many, settings.files)
    yield Trial("files", f"{settings.files:,} files", _command(many, settings), size)


def _letters(settings: Settings) -> Iterator[Trial]:
    kernels, commands = [], []
    for share in _SHARES:
        path = settings.folder / f"letters-{share:g}.txt"
        size = corpora.accent(settings.text, path, settings.letters_bytes, share)
        label = f"{100 * share:g} % of the words with non-ASCII letters"
        kernels.append(
            Trial("letters", f"kernel, {label}", _part("kernel", path), size, is_self_timed=True)
        )
        commands.append(
            Trial("letters, command", f"command, {label}", _command(path, settings), size)
        )
    yield from kernels + commands


def _peers(settings: Settings) -> Iterator[Trial]:
    text, size = settings.text, settings.size
    yield Trial("peers", "this project, vectorized", _command(text, settings), size)
    if "elementwise" not in settings.skip:
        command = _command(text, settings, "--engine=elementwise")
        yield Trial("peers", "this project, elementwise", command, size)
    for name, trial in peer_trials("peers", str(text), size, str(settings.folder / "words")):
        if name not in settings.skip:
            yield trial


#: How the trials of each section are made.
SECTIONS: Mapping[str, Callable[[Settings], Iterator[Trial]]] = {
    "start": _start,
    "parts": _parts,
    "size": _sizes,
    "workers": _workers,
    "files": _files,
    "letters": _letters,
    "corpus": _corpus,
    "dictionary": _dictionary,
    "peers": _peers,
}
#: What can be left out of the section of peers, as it is slow.
SKIPPABLE = ("elementwise", *PEERS)


def _command(path: Path, settings: Settings, *more: str) -> list[str]:
    """Returns the command for a whole run, as a person would start it."""
    output = str(settings.folder / "counts.json")
    return [
        *(sys.executable, "-m", "beam_pipeline", "--input", str(path), "--output", output),
        *more,
    ]


def _part(name: str, path: Path) -> list[str]:
    return [sys.executable, "-m", "beam_pipeline.benchmark.throughput.parts", name, str(path)]
