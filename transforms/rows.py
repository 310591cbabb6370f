"""Extracts the text of rows, the elements of pipelines in YAML, SQL and other languages."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.typehints import KV

from transforms.checks import check_type
from transforms.stages.schemas import fields_of
from transforms.text.blocks import Block


@dataclass
class ExtractText(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Extracts the text of rows; texts and `Block`s are passed on unchanged.

    A row whose text is null has no words. A row with the fields of a `Block` becomes a `Block`,
    because elements from other programs do not have this class.

    Attributes:
      field: the field with the text; None if the rows have exactly one string field.
      group: the field with the group of the text; the results are then (group, text). For a `Block`
        it may be ``source``. Values are converted to strings, null to the empty string.

    Raises:
      TypeError: if a setting has a wrong type.
      ValueError: when applied, if there is no such field, or not exactly one.

    Example:
      >>> with beam.Pipeline(runner="FnApiRunner") as pipeline:
      ...     rows = pipeline | beam.Create([beam.Row(id=1, line="The cat sat.")])
      ...     _ = rows | ExtractText() | beam.Map(print)
      The cat sat.
    """

    field: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        super().__init__()
        check_type(str, type(None), field=self.field, group=self.group)

    def expand(self, rows: PCollection[Any]) -> PCollection[Any]:
        fields = fields_of(rows) or {}
        if self.group is not None and self.group not in fields:
            known = f" ({', '.join(fields)})" if fields else ""
            raise ValueError(f"group={self.group!r}: is none of their fields{known}")
        take_text: Callable[[Any], str | Block] = _text_itself
        text_type: Any = rows.element_type
        if text_type not in (str, Block):
            if set(Block._fields) <= set(fields):
                take_text, text_type = _block_of, Block
            else:
                take_text, text_type = (
                    functools.partial(_text_of, field=self._field_in(fields)),
                    str,
                )
        if self.group is not None:
            take = beam.Map(_text_in_group, take_text, self.group)
            text_type = KV[str, text_type]
        elif take_text is not _text_itself:
            take = beam.Map(take_text)
        else:
            return rows
        texts: PCollection[Any] = rows | "TakeField" >> take.with_output_types(text_type)
        return texts

    def _field_in(self, fields: dict[str, Any]) -> str:
        texts = [name for name, kind in fields.items() if kind in (str, str | None)]
        if self.group in texts and self.field is None:
            texts.remove(self.group)
        if self.field is None:
            if len(texts) == 1:
                return texts[0]
            found = f"there are {', '.join(texts)}; say which" if texts else "there is none"
            raise ValueError(f"field: rows must have one field of texts, and {found}")
        if self.field not in texts:
            what = "is not text" if self.field in fields else "is none of their fields"
            known = f" ({', '.join(fields)})" if fields else ""
            raise ValueError(f"field={self.field!r}: {what}{known}")
        return self.field


def _text_of(row: Any, field: str) -> str:
    return getattr(row, field) or ""


def _block_of(row: Any) -> Block:
    return Block(*(getattr(row, name) for name in Block._fields))


def _text_itself(text: str | Block) -> str | Block:
    return text


def _text_in_group(
    row: Any, take_text: Callable[[Any], str | Block], group: str
) -> tuple[str, str | Block]:
    name = getattr(row, group)
    return "" if name is None else str(name), take_text(row)
