"""Dead letters: the input that a stage could not process, complete, so that it can be replayed.

The conversion of payloads to JSON and back is exact; bytes that are not text are written in base64.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from transforms.text.blocks import Block, FileRange
from transforms.text.encoding import Encoding

# Numbers in dead letters must be smaller than this.
_MAX_NUMBER = 1 << 63


class ClassCount(NamedTuple):
    """Occurrences of an anagram class.

    Attributes:
      signature: the signature of the class.
      count: how many words of the text belong to it.
      words: in corpus mode, its distinct words in the text.
    """

    signature: str
    count: int  # type: ignore[assignment]  # shadows tuple.count
    words: tuple[str, ...] = ()


class FilePattern(NamedTuple):
    """Files that could not be listed.

    Attributes:
      source: a pattern that matches them.
      excluded: paths of files that it also matches, but that were counted, or have dead letters of
        their own.
    """

    source: str
    excluded: tuple[str, ...] = ()


#: Bytes of a text, a range of a file that could not be read, files that could not be listed, or
#: words that were counted already.
DeadLetterPayload = Block | FileRange | FilePattern | ClassCount


class DeadLetter(NamedTuple):
    """Input that has failed permanently.

    Attributes:
      stage: the stage that gave up, one of `transforms.stages.chaos.STAGES`.
      cause: the last error, in one line.
      attempts: the number of attempts.
      payload: the input that could not be processed.
      group: the group in which it is counted; None if words are not counted by group.
    """

    stage: str
    cause: str
    attempts: int
    payload: DeadLetterPayload
    group: str | None = None

    @property
    def words(self) -> int:
        """The number of words in it that were extracted already."""
        return self.payload.count if isinstance(self.payload, ClassCount) else 0


def location(payload: DeadLetterPayload) -> str:
    """Returns where `payload` comes from, for messages: the file and the byte, if known."""
    match payload:
        case Block(source, offset) | FileRange(source, offset):
            return f"{source}: byte {offset}"
        case FilePattern(source):
            return source
        case ClassCount(signature):
            return f"words with the letters {signature[:40]!r}"


def to_json(letter: DeadLetter, settings: Mapping[str, Any]) -> str:
    """Returns `letter` as one line of JSON, with the `settings` of its run."""
    fields: dict[str, Any] = {
        "stage": letter.stage,
        "cause": letter.cause,
        "attempts": letter.attempts,
        "source": None,
        "offset": None,
        **_to_fields(letter.payload),
        **({} if letter.group is None else {"group": letter.group}),
        "settings": dict(settings),
    }
    return json.dumps(fields, ensure_ascii=True)


def _to_fields(payload: DeadLetterPayload) -> dict[str, Any]:
    match payload:
        case Block(source, offset, data, encoding, invalid_bytes):
            return {
                "kind": "block",
                "source": source,
                "offset": offset,
                "encoding": encoding,
                "invalid_bytes": invalid_bytes,
                **_data_fields(data),
            }
        case FileRange(source, start, end, starts_at_cut, partial_word):
            return {
                "kind": "file",
                "source": source,
                "offset": start,
                "end": end,
                "starts_at_cut": starts_at_cut,
                "partial_word": partial_word,
            }
        case FilePattern(source, excluded):
            return {"kind": "pattern", "source": source, "except": list(excluded)}
        case ClassCount(signature, count, words):
            return {"kind": "class", "signature": signature, "count": count, "words": list(words)}


def _data_fields(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def from_json(line: str) -> tuple[DeadLetter, dict[str, Any]]:
    """Returns the dead letter in one line of JSON, and the settings of its run.

    Raises:
      ValueError: the line is not a dead letter.
    """
    try:
        fields = json.loads(line)
        letter = DeadLetter(
            _field(fields, "stage", str),
            _field(fields, "cause", str),
            _field(fields, "attempts", int),
            _from_fields(fields),
            _text(fields, "group") if "group" in fields else None,
        )
        return letter, dict(_field(fields, "settings", dict))
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"not a dead letter ({type(error).__name__}: {error})") from error


def _from_fields(fields: Mapping[str, Any]) -> DeadLetterPayload:
    match fields["kind"]:
        case "block":
            if "text" in fields:
                data = _text(fields, "text").encode()
            else:
                data = base64.b64decode(_field(fields, "base64", str), validate=True)
            return Block(
                _field(fields, "source", str),
                _field(fields, "offset", int),
                data,
                Encoding(_field(fields, "encoding", str)).name,
                _field(fields, "invalid_bytes", int),
            )
        case "file":
            return FileRange(
                _field(fields, "source", str),
                _field(fields, "offset", int),
                _field(fields, "end", int, type(None)),
                _field(fields, "starts_at_cut", bool),
                _text(fields, "partial_word", type(None)),
            )
        case "pattern":
            excluded = _field(fields, "except", list)
            return FilePattern(
                _field(fields, "source", str),
                tuple(_field({"except": path}, "except", str) for path in excluded),
            )
        case "class":
            words = _field(fields, "words", list)
            return ClassCount(
                _text(fields, "signature"),
                _field(fields, "count", int),
                tuple(_text({"words": word}, "words") for word in words),
            )
        case kind:
            raise ValueError(f"unknown kind {kind!r}")


def _field(fields: Mapping[str, Any], name: str, *types: type) -> Any:
    value = fields[name]
    if type(value) not in types or (isinstance(value, int) and not 0 <= value < _MAX_NUMBER):
        raise TypeError(f"{name} is {value!r}"[:100])
    return value


def _text(fields: Mapping[str, Any], name: str, *types: type) -> Any:
    """Returns the value of a field, if it can be encoded as UTF-8."""
    value = _field(fields, name, str, *types)
    if value is not None:
        value.encode()
    return value
