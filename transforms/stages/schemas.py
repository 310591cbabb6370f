"""Element types of PCollections, as known while the pipeline is built."""

from typing import Any

from apache_beam.pvalue import PCollection
from apache_beam.typehints.native_type_compatibility import convert_to_beam_type
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import named_fields_from_element_type


def fields_of(elements: PCollection[Any]) -> dict[str, Any] | None:
    """Returns the types of the fields of rows by name; None if the elements are not rows."""
    element_type: Any = elements.element_type
    try:
        return dict(named_fields_from_element_type(element_type))
    except (TypeError, ValueError):
        return None


def are_plain_rows(elements: PCollection[Any]) -> bool:
    """Whether the elements are generic rows, not of a class such as `Block`."""
    return isinstance(elements.element_type, RowTypeConstraint)


def typed(elements: PCollection[Any], element_type: Any) -> PCollection[Any]:
    """Sets the element type that later transforms rely on, and returns the elements.

    Beam sets it only if it checks types, which users can turn off.
    """
    elements.element_type = convert_to_beam_type(element_type)
    return elements
