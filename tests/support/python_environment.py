"""An environment of Python with packages that the tests themselves should not have."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.support.cli import GIVE_UP, ROOT, environment


class PythonEnvironment:
    """A virtual environment with the packages of this one, and more that are installed into it.

    Some packages change what Beam does when it is imported: with pandas it takes half a second
    longer, which each process of the tests would pay for.

    Attributes:
      folder: where its programs are run.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._bin = folder / "environment" / "bin"
        venv.create(folder / "environment", with_pip=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "environment" / "lib" / version / "site-packages"
        here = [path for path in sys.path if Path(path).name == "site-packages"]
        Path(packages, "here.pth").write_text("\n".join([str(ROOT), *here]))

    def install(self, *packages: str) -> None:
        """Installs packages with pip."""
        self.python("-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)

    def python(self, *arguments: str) -> str:
        """Runs Python with these arguments, which must succeed, and returns what it prints."""
        return self._run([str(self._bin / "python"), *arguments])

    def shell(self, command: str) -> str:
        """Runs a command of bash in which ``python`` is this one; returns what it prints."""
        return self._run(["bash", "-c", command])

    def _run(self, command: list[str]) -> str:
        path = os.pathsep.join([str(self._bin), os.environ["PATH"]])
        finished = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(PATH=path),
            capture_output=True,
            text=True,
            timeout=GIVE_UP,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout
