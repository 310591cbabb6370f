"""What stands in published result files, found out in bounded memory."""

import hashlib
import io
import itertools
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_pipeline.io.formats import READERS, Counted
from beam_pipeline.report.model import LargestClass, ResultFile
from transforms.files.compression import open_decompressed
from transforms.text.signature import signature

_CHUNK = 1 << 20


def identify(path: str, shown: str | None) -> ResultFile:
    """The size and SHA-256 of the file `path`, which is `shown` to the user as such."""
    digest, size = hashlib.sha256(), 0
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return ResultFile(shown, size, digest.hexdigest())


def largest_classes(paths: list[str], output_format: str, number: int) -> tuple[LargestClass, ...]:
    """The anagram classes with the greatest counts in result files, of equal ones the first.

    Args:
      paths: all shards of one result.
      number: how many classes.
    """
    found: dict[str, tuple[int, list[str]]] = {}
    least = 0
    for word, count in itertools.chain.from_iterable(_counted(p, output_format) for p in paths):
        if count < least:
            continue
        key = signature(word)
        if key in found:
            found[key][1].append(word)
            continue
        # A class that is among the greatest in the end was so when its first word came, and ever
        # since: none is thrown out whose words would still be wanted.
        found[key] = count, [word]
        if len(found) > number:
            del found[max(found, key=lambda key: (-found[key][0], key))]
            least = min(count for count, _ in found.values())
    ranked = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(LargestClass(key, count, tuple(sorted(words))) for key, (count, words) in ranked)


def _counted(path: str, output_format: str) -> Iterator[Counted]:
    with open_decompressed(path) as file:
        yield from _READERS[output_format](file)


def _read_json(file: BinaryIO) -> Iterator[Counted]:
    # As we write it, a word a line: a parser of JSON would hold all of it.
    for line in io.TextIOWrapper(file, "utf-8"):
        word, colon, count = line.strip().rstrip(",").rpartition(": ")
        if colon:
            yield word.strip('"'), int(count)


_READERS = READERS | {"json": _read_json}
