"""Remote workers get a wheel that pip installs, and the requirements that Beam lacks."""

import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import SetupOptions

from beam_pipeline.cli.parsing import parse
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.staging import DISTRIBUTION, build_wheel, requirements, stage

ROOT = Path(__file__).parents[3]


def test_the_wheel_installs_and_is_the_code_that_runs_here(tmp_path: Path) -> None:
    wheel = build_wheel(str(tmp_path))
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", target, wheel], check=True)
    for package in ("beam_pipeline", "transforms"):
        for module in (ROOT / package).rglob("*.py"):
            installed = target / module.relative_to(ROOT)
            assert installed.read_bytes() == module.read_bytes()
    (metadata,) = target.glob("*.dist-info/METADATA")
    assert f"\nName: {DISTRIBUTION}\n" in metadata.read_text()
    assert "\nRequires-Python: =={}.{}.*\n".format(*sys.version_info) in metadata.read_text()
    assert not list(target.glob("tests")) + list(target.glob("resources"))


def test_the_wheel_depends_on_the_code_only(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (build_wheel(str(tmp_path / name)) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert not [name for name in zipfile.ZipFile(first).namelist() if "__pycache__" in name]


def test_requirements_are_what_beam_lacks_in_the_versions_installed_here() -> None:
    pins = dict(pin.split("==") for pin in requirements())
    assert {"numba", "llvmlite", "english-words"} <= pins.keys()
    assert not {"apache-beam", "numpy", "pyarrow", "pytest", DISTRIBUTION} & pins.keys()
    assert pins["numba"] == version("numba")


def test_workers_that_read_kafka_get_its_client(tmp_path: Path) -> None:
    pins = {pin.partition("==")[0] for pin in requirements()}
    assert "kafka-python" not in pins
    assert {*requirements("kafka")} >= {*requirements(), f"kafka-python=={version('kafka-python')}"}
    options = AnagramOptions(["--input=kafka://h:1/t"])
    stage(options, str(tmp_path))
    assert "kafka-python==" in (tmp_path / "requirements.txt").read_text()


@pytest.mark.parametrize(
    "chosen",
    ["--staging=none", "--setup_file=pyproject.toml", "--sdk_container_image=example/anagrams:1"],
)
def test_nothing_is_staged_for_workers_that_have_the_package(chosen: str, tmp_path: Path) -> None:
    options = parse(["--text=cat", chosen])
    stage(options, str(tmp_path))
    setup = options.view_as(SetupOptions)
    assert setup.extra_packages is None
    assert setup.requirements_file is None
    assert list(tmp_path.iterdir()) == []


def test_what_the_user_stages_stays(tmp_path: Path) -> None:
    options = parse(["--text=cat", "--extra_package=mine.whl", "--requirements_file=mine.txt"])
    stage(options, str(tmp_path))
    setup = options.view_as(SetupOptions)
    assert [Path(path).suffix for path in setup.extra_packages] == [".whl", ".whl"]
    assert setup.extra_packages[0] == "mine.whl"
    assert setup.requirements_file == "mine.txt"
