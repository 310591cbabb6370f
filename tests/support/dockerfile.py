"""What a Dockerfile is made of. It is parsed, as Docker need not be there."""

import fnmatch
import re
from pathlib import Path

from tests.support.cli import ROOT


class Dockerfile:
    """A Dockerfile whose context is the root of the project.

    Attributes:
      text: its instructions, each in one line, without comments.
      images: those that it is made from, in order.
      copied: the files and folders of the context that it copies, and where to.
      variables: of the environment.
    """

    def __init__(self, path: Path):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        self.text = "\n".join(lines).replace("\\\n", " ")
        self.images = re.findall(r"^FROM (\S+)", self.text, re.MULTILINE)
        self.variables = dict(re.findall(r"^ENV (\w+)=(\S+)", self.text, re.MULTILINE))
        self.copied: dict[str, str] = {}
        for line in self.text.splitlines():
            instruction, *arguments = line.split() or [""]
            if instruction == "COPY" and not line.startswith("COPY --from="):
                *sources, target = [one for one in arguments if not one.startswith("--")]
                self.copied |= dict.fromkeys(sources, target)
        own = path.with_name("Dockerfile.dockerignore")
        self._ignore = own if own.exists() else ROOT / ".dockerignore"

    def check(self) -> None:
        """Checks that images have tags, and that the context has what is copied, no more."""
        for image in self.images:
            assert re.search(r":[\w.-]+$", image) and not image.endswith(":latest"), image
        patterns = [line for line in self._ignore.read_text().splitlines() if line[:1] != "#"]
        assert patterns[0] == "*"
        kept = {line[1:] for line in patterns if line.startswith("!")}
        assert set(self.copied) == kept
        built = "resources/job_servers/target/*"  # by Maven
        assert all((ROOT / name).exists() for name in kept if not fnmatch.fnmatch(name, built))
