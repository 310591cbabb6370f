"""Tables of records as elements, and how Beam moves them.

Within a fused stage an element holds the table itself. It is encoded only when Beam moves it to
another stage, see `transforms.columns.packing`.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow
from apache_beam.coders import Coder
from apache_beam.coders.typecoders import registry

from transforms.columns.packing import from_bytes, to_bytes


@dataclass(frozen=True)
class RecordColumns:
    """Many records as one element.

    Attributes:
      table: has the columns `transforms.columns.tables.RECORDS`.
    """

    table: pyarrow.Table


@dataclass(frozen=True)
class GroupedColumns:
    """Many records of groups as one element.

    Attributes:
      table: has the columns of `RecordColumns`, and the group before them.
    """

    table: pyarrow.Table


class ColumnsCoder(Coder):
    """A coder for elements whose only attribute is a table.

    Args:
      element_type: the type of the elements.
    """

    def __init__(self, element_type: type[Any]):
        self._element_type = element_type

    @classmethod
    def from_type_hint(cls, element_type: type[Any], _: Any) -> Any:
        return cls(element_type)

    def encode(self, columns: Any) -> bytes:
        return to_bytes(columns.table)

    def decode(self, encoded: bytes) -> Any:
        return self._element_type(from_bytes(encoded))

    def estimate_size(self, columns: Any) -> int:
        # For the metrics of samples, tables would otherwise be encoded.
        return int(columns.table.nbytes)

    def to_type_hint(self) -> type[Any]:
        return self._element_type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ColumnsCoder) and self._element_type is other._element_type

    def __hash__(self) -> int:
        return hash((ColumnsCoder, self._element_type))


for _element_type in (RecordColumns, GroupedColumns):
    registry.register_coder(_element_type, ColumnsCoder)
