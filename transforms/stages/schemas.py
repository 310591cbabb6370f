"""What is known of the elements of a collection while the pipeline is built."""

from typing import Any

from apache_beam.pvalue import PCollection
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import named_fields_from_element_type


def fields_of(elements: PCollection[Any]) -> dict[str, Any] | None:
    """Returns the types of the fields of rows by name; None if the elements are no rows."""
    element_type: Any = elements.element_type
    try:
        return dict(named_fields_from_element_type(element_type))
    except (TypeError, ValueError):
        return None


def are_plain_rows(elements: PCollection[Any]) -> bool:
    """Whether the elements are rows, and not of a class of their own such as `Block`."""
    return isinstance(elements.element_type, RowTypeConstraint)
