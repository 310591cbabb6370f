"""Texts to compare on are read as the pipeline reads them."""

from pathlib import Path

import pytest

from beam_pipeline.benchmark.compare.subjects import file_subjects
from beam_pipeline.errors import UsageError
from tests.support.files import COMPRESSORS
from tests.support.formats import tar

TEXT = "the café\n" * 1000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("codec", ["", *COMPRESSORS])
def test_a_text_is_decompressed_and_in_utf_8(codec: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{codec}"
    data = TEXT.encode(encoding)
    path.write_bytes(COMPRESSORS[codec](data) if codec else data)
    (subject,) = file_subjects([path])
    assert subject.text.decode() == TEXT


def test_what_is_no_text_is_wrong_usage(tmp_path: Path) -> None:
    contents = {"a.txt": tar(), "b.gz": COMPRESSORS["gz"](b"cat")[:-1], "c.gz": b"cat"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError) as caught:
            file_subjects([tmp_path / name])
        assert (caught.value.setting, caught.value.value) == ("input", tmp_path / name)
        assert str(caught.value)
    with pytest.raises(UsageError, match="No such file"):
        file_subjects([tmp_path / "none"])
