import pyarrow
import pytest
from apache_beam.coders.typecoders import registry

from transforms.columns.elements import ColumnsCoder, GroupedColumns, RecordColumns


@pytest.mark.parametrize("element_type", [RecordColumns, GroupedColumns])
def test_an_element_with_a_table_is_encoded_as_its_columns(
    element_type: type[RecordColumns | GroupedColumns],
) -> None:
    words = pyarrow.array(["act", "cat"] * 50_000, pyarrow.large_string())
    element = element_type(pyarrow.table({"word": words, "count": range(100_000)}))
    coder = registry.get_coder(element_type)
    assert coder == ColumnsCoder(element_type)
    assert coder.decode(coder.encode(element)) == element
    # Its size is that in memory: Beam asks for it often, and tables would be encoded for it.
    assert coder.estimate_size(element) == element.table.nbytes > len(coder.encode(element))
