"""The texts that orchestrators are compared on."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.cases import load_cases
from beam_pipeline.errors import UsageError
from transforms.files.decompression import decompressed
from transforms.text.encoding import Encoding

_PART_BYTES = 1 << 24


@dataclass(frozen=True)
class Subject:
    """A text to compare on.

    Attributes:
      name: of the text.
      text: in UTF-8. Bytes, since a gigabyte of them can be four as a `str`.
      expected: the count of each word, where it is known.
    """

    name: str
    text: bytes
    expected: dict[str, int] | None = None


def built_in_subjects(name: str) -> list[Subject]:
    """Returns the built-in cases of a name, or all of them for ``all``."""
    return [Subject(case.name, case.text.encode(), case.expected) for case in load_cases(name)]


def file_subjects(paths: Sequence[Path]) -> list[Subject]:
    """Reads a subject from each file.

    Raises:
      UsageError: a file cannot be read.
    """
    return [Subject(path.name, _read(path)) for path in paths]


def _read(path: Path) -> bytes:
    """Reads a text as the pipeline does: decompressed, in UTF-8, without what is not valid text."""
    text = bytearray()
    try:
        with decompressed(path.open("rb"), str(path)) as file:
            encoding = Encoding.detect(file.head).name
            decoder = codecs.getincrementaldecoder(encoding)("ignore")
            while part := file.read(_PART_BYTES):
                text += decoder.decode(part).encode()
    except Exception as error:  # each decompressor raises its own
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(reason, setting="input", value=path) from None
    return bytes(text.removeprefix(codecs.BOM_UTF8))
