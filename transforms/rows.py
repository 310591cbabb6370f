"""Takes the text out of rows, as pipelines in YAML, SQL and other languages have them."""

from dataclasses import dataclass
from typing import Any, cast

import apache_beam as beam
from apache_beam.pvalue import PCollection

from transforms.checks import check_type
from transforms.stages.schemas import fields_of
from transforms.text.blocks import Block


@dataclass
class ExtractText(beam.PTransform[PCollection[Any], PCollection[str | Block]]):
    """Takes the text out of rows; texts and `Block`s stay as they are.

    A row whose text is null has no words.

    Attributes:
      field: which field of the rows is the text; None if they have only one of texts.

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

    def __post_init__(self) -> None:
        super().__init__()
        check_type(str, type(None), field=self.field)

    def expand(self, rows: PCollection[Any]) -> PCollection[str | Block]:
        if rows.element_type in (str, Block):
            return cast(PCollection[str | Block], rows)
        name = self._field_in(fields_of(rows) or {})
        texts: PCollection[str | Block] = rows | "TakeField" >> beam.Map(
            _text_of, name
        ).with_output_types(str)
        return texts

    def _field_in(self, fields: dict[str, Any]) -> str:
        texts = [name for name, kind in fields.items() if kind in (str, str | None)]
        if self.field is None:
            if len(texts) == 1:
                return texts[0]
            found = f"there are {', '.join(texts)}; say which" if texts else "there is none"
            raise ValueError(f"field: rows must have one field of texts, and {found}")
        if self.field not in texts:
            what = "is no text" if self.field in fields else "is none of their fields"
            known = f" ({', '.join(fields)})" if fields else ""
            raise ValueError(f"field={self.field!r}: {what}{known}")
        return self.field


def _text_of(row: Any, field: str) -> str:
    return getattr(row, field) or ""
