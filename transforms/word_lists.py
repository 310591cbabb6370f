"""Word lists: reads the entries of a dictionary file in any supported format.

The content of a file decides its format:

- **JSON**: an array of words, or an object whose keys are words. An object of one key that holds
  another array or object is a wrapper around it, such as ``{"words": ["cat"]}``.
- **Hunspell**: the first line has the number of entries. Flags, after a slash, and morphology,
  after a tab, are removed from entries. Flags refer to rules that derive more words; these rules
  are not applied.
- **Text**: one entry in each line.

Which entries are words is decided elsewhere, for all formats alike.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from transforms.files.retrying_file import open_retrying
from transforms.stages.retry import Retrier, applied_resilience
from transforms.text.encoding import Encoding

# A comment begins with a number sign, at the beginning of a line or after white space.
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
# The end of a Hunspell entry: flags after a slash, or morphology such as " po:noun".
_AFTER_WORD = re.compile(r"(?<=[^\\])/.*|\t.*|\s+[a-z]{2}:.*", re.DOTALL)
_COUNT = re.compile("[0-9]{1,9}")
# Hunspell's count is approximate. If the first line is less than a tenth of the number of entries,
# it is not a count but an entry of a list that begins with numbers.
_MAX_ENTRIES_PER_COUNT = 10
# About how many characters of a text are split into lines at once.
_PART = 1 << 16


class UndecodableListError(ValueError):
    """A word list is not valid text in its encoding."""


def check_codec(encoding: str) -> None:
    """Checks the name of a codec.

    Raises:
      ValueError: there is no such codec for text.
    """
    try:
        # This also fails for codecs that are not for text.
        " ".encode(encoding)
    except (LookupError, ValueError):
        raise ValueError(f"{encoding!r} is not a known encoding") from None


def read_content(path: str) -> bytes:
    """Reads a file of any Beam filesystem, possibly compressed, with retries.

    Raises:
      Exception: whatever the filesystem or the decompressor raises.
    """
    with open_retrying(path, Retrier("read", applied_resilience())) as file:
        return file.read()


def parse_entries(content: bytes, path: str = "", encoding: str | None = None) -> Iterable[str]:
    """Returns the entries of a word list, without empty ones and comments.

    The entries of a long text are yielded lazily, because a list of them would take several times
    its size.

    Args:
      content: the content of the file, decompressed.
      path: the path of the file; its extension may require JSON or indicate Hunspell's format.
      encoding: the name of its codec; if None, a byte order mark decides, otherwise it is UTF-8.

    Raises:
      UndecodableListError: it is not valid text.
      ValueError: it is JSON, but not a list of words.
    """
    text = _decode(content, encoding)
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    if ".json" in suffixes:
        return _words_of_json(json.loads(text))
    if text.lstrip()[:1] in ("[", "{"):
        try:
            parsed = json.loads(text)
        except (RecursionError, ValueError):
            pass  # a list that begins with a bracket
        else:
            return _words_of_json(parsed)
    entries = _entries_of_text(text)
    first = next(_entries_of_text(text), "")
    if _COUNT.fullmatch(first) and int(first) * _MAX_ENTRIES_PER_COUNT >= text.count("\n") - 1:
        return _words_of_hunspell(itertools.islice(entries, 1, None))
    return _words_of_hunspell(entries) if ".dic" in suffixes else entries


def _decode(content: bytes, encoding: str | None) -> str:
    if encoding is None:
        encoding = Encoding.detect(content[:4]).name
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not valid {error.encoding}"
        raise UndecodableListError(message) from error
    except UnicodeError as error:  # some codecs do not say where
        raise UndecodableListError(f"not valid {encoding}") from error


def _words_of_json(parsed: object) -> list[str]:
    if isinstance(parsed, dict):
        nested = [value for value in parsed.values() if isinstance(value, (dict, list))]
        if not nested:
            return list(parsed)
        if len(parsed) == 1:
            return _words_of_json(nested[0])
        raise ValueError(
            "its JSON is an object that holds other arrays or objects, so its words may be the "
            "keys or what they hold; give an array of words"
        )
    if not isinstance(parsed, list) or not all(isinstance(word, str) for word in parsed):
        raise ValueError("its JSON is neither an array of words nor an object whose keys are words")
    return parsed


def _entries_of_text(text: str) -> Iterator[str]:
    has_comments = "#" in text
    for line in _lines(text):
        entry = (_COMMENT.sub("", line) if has_comments else line).strip()
        if entry:
            yield entry


def _lines(text: str) -> Iterator[str]:
    """Yields the lines that `str.splitlines` would return."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PART) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end


def _words_of_hunspell(entries: Iterable[str]) -> Iterator[str]:
    words = (_AFTER_WORD.sub("", entry).replace("\\/", "/").strip() for entry in entries)
    return filter(None, words)
