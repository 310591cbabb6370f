"""Groups texts by file. The name of a group is the path of the file as the user gave it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from transforms.files.schemes import is_local, local_path
from transforms.stages.groups import InGroup
from transforms.text.blocks import Block

_WILDCARD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class FileNames:
    """The user's names of files; a relative path stays relative.

    Attributes:
      names: the names of single files, such as copies of pipes, by path.
      prefixes: pairs of a prefix of paths that patterns have matched, and the prefix of their names
        that replaces it; the longest matching prefix is used.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[tuple[str, str], ...] = ()

    def of(self, path: str) -> str:
        """Returns the name of a file; bytes that are not UTF-8 are written like ``\\xff``."""
        name = self.names.get(path)
        if name is None:
            fitting = (prefix for prefix in self.prefixes if path.startswith(prefix[0]))
            begin, shown = max(fitting, key=_length, default=("", ""))
            name = shown + path[len(begin) :]
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _length(prefix: tuple[str, str]) -> int:
    return len(prefix[0])


def prefix_of(given: str, resolved: str) -> tuple[str, str]:
    """Returns how the names of files are derived from the paths that a pattern matches.

    Args:
      given: the pattern, as a user has given it.
      resolved: the same pattern as an absolute path.

    Returns:
      The prefix of the paths, and the prefix of the names that replaces it.

    Example:
      >>> prefix_of("./books/**", "/home/me/books/**")
      ('/home/me/books/', 'books/')
    """
    if not is_local(given) or os.path.isabs(local_path(given)):
        return resolved, resolved
    shown = os.path.normpath(given)
    wildcard = _WILDCARD.search(shown)
    fixed = shown[: wildcard.start()] if wildcard else shown
    path = resolved.rstrip("/")
    begin = path[: len(path) - len(shown) + len(fixed)]
    if fixed.endswith("."):  # the current folder, or a parent folder
        return os.path.join(begin, ""), os.path.join(fixed, "")
    return begin, fixed


@dataclass
class ByFile(beam.PTransform[PBegin, PCollection[InGroup[Block]]]):
    """Reads blocks, and keys each with the name of its file.

    Attributes:
      source: yields the blocks.
      names: the names of the files.
    """

    source: beam.PTransform[PBegin, PCollection[Block]]
    names: FileNames = field(default_factory=FileNames)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, root: PBegin) -> PCollection[InGroup[Block]]:
        blocks: PCollection[Block] = root | "Read" >> self.source
        keyed: PCollection[InGroup[Block]] = blocks | "KeyByFile" >> KeyByFile(self.names)
        return keyed


@dataclass
class KeyByFile(beam.PTransform[PCollection[Block], PCollection[InGroup[Block]]]):
    """Turns each block into (name of its file, block).

    Attributes:
      names: the names of the files.
    """

    names: FileNames = field(default_factory=FileNames)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, blocks: PCollection[Block]) -> PCollection[InGroup[Block]]:
        key = beam.Map(_keyed, self.names).with_output_types(tuple[str, Block])
        keyed: PCollection[InGroup[Block]] = blocks | "KeyBlock" >> key
        return keyed


def _keyed(block: Block, names: FileNames) -> InGroup[Block]:
    return names.of(block.source), block
