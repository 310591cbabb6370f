"""Packs this package and its requirements as files that a runner's remote workers install.

A bare worker has only Beam. It gets a wheel of the packages as they are installed here, and those
requirements of the wheel that Beam does not install, in the versions installed here. The wheel is
built by this module, because build tools need a source tree, which an installed package does not
have.
"""

import base64
import csv
import hashlib
import importlib.metadata
import importlib.util
import io
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import DebugOptions, SetupOptions, WorkerOptions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from beam_pipeline.io.streams import scheme_of
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.worker_options import RemoteWorkerOptions
from transforms.errors import AnagramError

DISTRIBUTION = "beam-anagrams"
_PACKAGES = ("beam_pipeline", "transforms")
_WHEEL = "Wheel-Version: 1.0\nGenerator: beam_pipeline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_PYTHON = "{}.{}".format(*sys.version_info)
# The earliest time that a zip file can hold: equal code gives equal wheels.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def stage(options: AnagramOptions, folder: str) -> None:
    """Makes the runner send this package to its workers.

    Options of the user are respected: with ``staging=none``, ``setup_file`` or
    ``sdk_container_image`` the workers have the package already, and ``requirements_file`` replaces
    the requirements. The workers' Python must have the same version as this one. The version is
    recorded in the wheel, for pip, and as an experiment, for ``resources/worker_pool.py``.

    Args:
      options: the options of the job, changed in place.
      folder: the folder for the staged files.

    Raises:
      AnagramError: this package is not installed here, so what it needs is not known.
    """
    setup = options.view_as(SetupOptions)
    options.view_as(DebugOptions).add_experiment(f"submitted_with_python={_PYTHON}")
    if (
        options.view_as(RemoteWorkerOptions).staging == "none"
        or setup.setup_file
        or options.view_as(WorkerOptions).sdk_container_image
    ):
        return
    setup.extra_packages = [*(setup.extra_packages or []), str(build_wheel(folder))]
    if setup.requirements_file is None:
        path = Path(folder, "requirements.txt")
        path.write_text("".join(f"{pin}\n" for pin in requirements(*_extras(options))))
        setup.requirements_file = str(path)


def build_wheel(folder: str) -> Path:
    """Writes a wheel of this project's packages, as they are installed here, into `folder`.

    Returns:
      Its path. The content depends only on the packages and on Python's minor version, the only one
      for which pip installs it.

    Raises:
      AnagramError: this package is not installed here, so its requirements are unknown.
    """
    distribution = _distribution()
    stem = f"{DISTRIBUTION.replace('-', '_')}-{distribution.version}"
    wheel, information = Path(folder, f"{stem}-py3-none-any.whl"), f"{stem}.dist-info"
    contents = dict(_files())
    metadata = distribution.read_text("METADATA") or ""
    only_this = re.sub("(?m)^Requires-Python: .*$", f"Requires-Python: =={_PYTHON}.*", metadata)
    contents[f"{information}/METADATA"] = only_this.encode()
    contents[f"{information}/WHEEL"] = _WHEEL.encode()
    contents[f"{information}/RECORD"] = _record(contents, f"{information}/RECORD")
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _TIMESTAMP), data)
    return wheel


def _files() -> Iterator[tuple[str, bytes]]:
    """Yields the name within a wheel and the content of each file of our packages."""
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root.parent).as_posix(), path.read_bytes()


def _record(contents: dict[str, bytes], own_name: str) -> bytes:
    """Returns the file of a wheel that lists all others with their hashes and sizes."""
    record = io.StringIO()
    writer = csv.writer(record, lineterminator="\n")
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((name, f"sha256={digest}", len(data)))
    writer.writerow((own_name, "", ""))
    return record.getvalue().encode()


def _extras(options: AnagramOptions) -> set[str]:
    """Returns the extras that workers need for the input."""
    return {scheme_of(url) for url in options.input or ()} & {"kafka"}


def requirements(*extras: str) -> list[str]:
    """Returns the requirements that a worker with Beam lacks, in the versions installed here.

    Args:
      extras: the extras of this package that the worker needs too.

    Returns:
      Lines of a requirements file: ``name==version``.
    """
    of_beam = _closure("apache-beam", frozenset())
    ours = _closure(DISTRIBUTION, frozenset(of_beam), extras) - {DISTRIBUTION}
    return [f"{name}=={importlib.metadata.version(name)}" for name in sorted(ours)]


def _closure(name: str, known: frozenset[str], extras: Sequence[str] = ()) -> set[str]:
    """Returns the installed distributions that `name` needs and itself, without those `known`.

    Args:
      extras: of `name`, which are needed too.
    """
    root, found = name, set[str]()
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
            marker, wanted = requirement.marker, ("", *(extras if name == root else ()))
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in wanted):
                pending.append(canonicalize_name(requirement.name))
    return found


def _distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise AnagramError(
            "remote workers get the package as it is installed here, and it is not: "
            "run `pip install .` where its pyproject.toml is"
        ) from None
