"""Word lists: the entries of a dictionary's file, whatever its format.

What a file is, is decided by its content:

- **JSON**: an array of words, or an object whose keys are words. An object of one key that holds
  another array or object is a wrapper around it, such as ``{"words": ["cat"]}``.
- **Hunspell**: the first line has the number of entries. What follows an entry, flags behind a
  slash or the morphology behind a tab, is left out. Flags stand for rules that make more words of
  an entry; they are not applied.
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

# A comment is a line that begins with a number sign, or what follows one behind white space.
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
# What follows a word of Hunspell's: flags behind a slash, or morphology such as " po:noun".
_AFTER_WORD = re.compile(r"(?<=[^\\])/.*|\t.*|\s+[a-z]{2}:.*", re.DOTALL)
_COUNT = re.compile("[0-9]{1,9}")
# Hunspell's count is approximate. A first line that is less than a tenth of the number of entries
# belongs to a list that begins with numbers.
_MAX_ENTRIES_PER_COUNT = 10
# About so many characters of a text are split into lines at once.
_PART = 1 << 16


class UndecodableListError(ValueError):
    """A word list is not valid text in its encoding."""


def check_codec(encoding: str) -> None:
    """Checks the name of a codec.

    Raises:
      ValueError: there is no such codec for text.
    """
    try:
        # This fails for codecs that are not for text, too.
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

    Those of a long text are made one after the other, as together they take several times its size.

    Args:
      content: of the file, decompressed.
      path: of the file, whose extension may say that it must be JSON or is Hunspell's.
      encoding: the name of its codec; None lets a byte order mark decide, and is UTF-8 without one.

    Raises:
      UndecodableListError: it is not valid text.
      ValueError: it is JSON, but no list of words.
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
    """Yields what `str.splitlines` returns."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PART) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end


def _words_of_hunspell(entries: Iterable[str]) -> Iterator[str]:
    words = (_AFTER_WORD.sub("", entry).replace("\\/", "/").strip() for entry in entries)
    return filter(None, words)
