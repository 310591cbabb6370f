"""Reads published result files again, in bounded memory, for the report."""

import hashlib
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from beam_pipeline.io.formats import READERS, Counted
from beam_pipeline.report.model import LargestClass, ResultFile
from transforms.files.retrying_file import open_raw_retrying, open_retrying
from transforms.stages.retry import Retrier, applied_resilience
from transforms.text.signature import signature

_READ_SIZE = 1 << 20


def identify(path: str, shown_path: str | None) -> ResultFile:
    """Returns the size and the SHA-256 of a file as it is stored.

    Args:
      path: the path of the file, on any Beam filesystem.
      shown_path: its path in the report; None for standard output.
    """
    digest, size = hashlib.sha256(), 0
    with open_raw_retrying(path, Retrier("read", applied_resilience())) as file:
        while data := file.read(_READ_SIZE):
            digest.update(data)
            size += len(data)
    return ResultFile(shown_path, size, digest.hexdigest())


def largest_classes(
    paths: Sequence[str], output_format: str, number: int
) -> tuple[LargestClass, ...]:
    """Returns the anagram classes with the greatest counts, in descending order.

    Ties are broken by signature.

    Args:
      paths: all files of one result.
      output_format: their format.
      number: how many classes to return.
    """
    found: dict[str, tuple[int, list[str]]] = {}
    smallest = 0
    for word, count in itertools.chain.from_iterable(_read(p, output_format) for p in paths):
        if count < smallest:
            continue
        key = signature(word)
        if key in found:
            found[key][1].append(word)
            continue
        # All words of a class have its count, so whether the class is among the greatest so far is
        # known from its first word. A class that is dropped once cannot be among them later.
        found[key] = count, [word]
        if len(found) > number:
            del found[max(found, key=lambda key: (-found[key][0], key))]
            smallest = min(count for count, _ in found.values())
    ranked = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(LargestClass(key, count, tuple(sorted(words))) for key, (count, words) in ranked)


def _read(path: str, output_format: str) -> Iterator[Counted]:
    is_text = output_format != "parquet"
    with open_retrying(path, Retrier("read", applied_resilience()), is_text=is_text) as file:
        yield from _READERS[output_format](cast(BinaryIO, file))


def _read_json(file: BinaryIO) -> Iterator[Counted]:
    # Our JSON has one word in each line, while a JSON parser would need the memory for all of it.
    for line in io.TextIOWrapper(file, "utf-8"):
        word, colon, count = line.strip().rstrip(",").rpartition(": ")
        if colon:
            yield word.strip('"'), int(count)


_READERS = READERS | {"json": _read_json}
