"""This package and what it needs, as files that a runner's remote workers install.

A worker has Beam and nothing of ours. It gets a wheel of the packages as they are installed
here, and the requirements of that wheel which Beam does not bring, in the versions used here.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from apache_beam.options.pipeline_options import SetupOptions, WorkerOptions
from packaging.requirements import Requirement

from beam_pipeline.options import AnagramOptions
from transforms.errors import AnagramError

DISTRIBUTION = "beam-anagrams"
_PACKAGES = ("beam_pipeline", "transforms")
_WHEEL = "Wheel-Version: 1.0\nGenerator: beam_pipeline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# The earliest time that a zip file can hold: equal code gives equal wheels.
_TIME = (1980, 1, 1, 0, 0, 0)


def stage(options: AnagramOptions, folder: str) -> None:
    """Makes the runner send this package to its workers; `folder` holds the files meanwhile.

    What the user has chosen stays: with ``--setup_file`` or ``--sdk_container_image`` the
    workers have the package already, ``--requirements_file`` replaces the requirements.

    Raises:
      AnagramError: this package is not installed here, so what it needs is not known.
    """
    setup = options.view_as(SetupOptions)
    if setup.setup_file or options.view_as(WorkerOptions).sdk_container_image:
        return
    setup.extra_packages = [*(setup.extra_packages or []), str(build_wheel(folder))]
    if setup.requirements_file is None:
        listed = Path(folder, "requirements.txt")
        listed.write_text("".join(f"{pin}\n" for pin in requirements()))
        setup.requirements_file = str(listed)


def build_wheel(folder: str) -> Path:
    """-> a wheel, in `folder`, of this project's packages as they are installed here."""
    distribution = _distribution()
    stem = f"{DISTRIBUTION.replace('-', '_')}-{distribution.version}"
    wheel = Path(folder, f"{stem}-py3-none-any.whl")
    record = ""
    with zipfile.ZipFile(wheel, "w") as archive:
        contents = dict(_files())
        contents[f"{stem}.dist-info/METADATA"] = (distribution.read_text("METADATA") or "").encode()
        contents[f"{stem}.dist-info/WHEEL"] = _WHEEL.encode()
        for name, data in contents.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(data)}\n"
            archive.writestr(zipfile.ZipInfo(name, _TIME), data)
        record += f"{stem}.dist-info/RECORD,,\n"
        archive.writestr(zipfile.ZipInfo(f"{stem}.dist-info/RECORD", _TIME), record)
    return wheel


def _files() -> Iterator[tuple[str, bytes]]:
    """Name in a wheel and content of each file of our packages."""
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root.parent).as_posix(), path.read_bytes()


def requirements() -> list[str]:
    """What a worker that has Beam lacks, in the versions installed here: ``name==version``."""
    brought = _closure("apache-beam", frozenset())
    ours = _closure(DISTRIBUTION, frozenset(brought)) - {DISTRIBUTION}
    return [f"{name}=={importlib.metadata.version(name)}" for name in sorted(ours)]


def _closure(name: str, known: frozenset[str]) -> set[str]:
    """The installed distributions that `name` needs, it included, those in `known` apart."""
    found: set[str] = set()
    pending = [name]
    while pending:
        name = pending.pop()
        if name in found or name in known:
            continue
        try:
            needed = importlib.metadata.requires(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform, or no requirement of the installed version
        found.add(name)
        for requirement in map(Requirement, needed or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(_canonical(requirement.name))
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise AnagramError(
            "remote workers get the package as it is installed here, and it is not: "
            "run `pip install .` where its pyproject.toml is"
        ) from None
