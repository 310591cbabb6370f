"""The console sessions of READMEs: what is typed in them, and what is printed.

A block of code that is marked ``console`` is a session. A second word says why it is not repeated
with the others: ``cluster`` if it needs other runners, ``stores`` if it needs a server of a store,
``streams`` if it needs a Kafka broker, ``measured`` if it takes long and its figures are those of
one machine.

python -m tests.support.sessions README.md ...

runs the sessions of READMEs and writes into them what is printed today.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.cli import GIVE_UP, ROOT, environment

KINDS = ("", "cluster", "stores", "streams", "measured")
#: The folder that sessions are in, and the home folder, as they are printed.
FOLDER, HOME = "/tmp/texts", "/home/me"
# A command that sets variables for those behind it, and does nothing else.
_SETS = re.compile(r"""(?:export )?(?:\w+=(?:"[^"]*"|\S+) ?)+""")
_BLOCK = re.compile(r"^```console *(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run and from machine to machine.
_VARYING = (
    (re.compile(r"done in [\d.]+ s"), "done in N s"),
    (re.compile(r"\(in_memory, \d+ (thread|worker)s?\)"), "(in_memory)"),
    (re.compile(r"^retries: \d+$", re.MULTILINE), "retries: N"),
    (re.compile(r", [\d.]+ [kMG]?B/s"), ", N MB/s"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"peak memory [\d.]+ [MG]B"), "peak memory N MB"),
    (re.compile(r"^((?:wall|cpu)_seconds|phases\.[a-z, ]+?|peak_\w+_bytes)  .*$", re.M), r"\1 N"),
    (re.compile(r"^(settings\.(?:seed|load)|small\.\S+)  .*$", re.MULTILINE), r"\1 N"),
    (re.compile(r'"(wall_seconds|cpu_seconds|peak_memory_bytes)": [\d.]+'), r'"\1": N'),
)


class Step(NamedTuple):
    """A command of a session, behind those that set its variables, and what it prints."""

    command: str
    printed: str


class Session(NamedTuple):
    """A block of code; see the module for its kinds."""

    kind: str
    steps: list[Step]


def readmes() -> list[Path]:
    """Returns all READMEs of the project."""
    return [ROOT / "README.md", *sorted(ROOT.glob("[bt]*/**/README.md"))]


def sessions(readme: Path) -> list[Session]:
    """Returns the sessions of a README, in order."""
    return [
        Session(kind, list(_steps(body)))
        for kind, body in _BLOCK.findall(readme.read_text("utf-8"))
    ]


def _steps(body: str) -> Iterator[Step]:
    variables = ""
    for step in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, printed = step.partition("\n")
        yield Step(variables + command, printed)
        if _SETS.fullmatch(command):
            variables += f"{command}\n"


def masked(text: str) -> str:
    """Returns what is printed without what differs from run to run."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def printed_by(command: str, folder: Path, *, home: Path | None = None) -> str:
    """Runs a command of a session; returns what it prints, as a README would show it.

    Args:
      command: for bash.
      folder: the folder of the session.
      home: the home folder; by default that of the user.
    """
    variables: Mapping[str, str] = {} if home is None else {"HOME": str(home), "GOPATH": ""}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    finished = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(PATH=path, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=GIVE_UP,
    )
    text = finished.stdout.decode()
    return text if home is None else text.replace(str(home), HOME).replace(str(folder), FOLDER)


def renewed(text: str, folder: Path, home: Path) -> str:
    """Returns the text of a README with what its sessions print today."""

    def renew(block: re.Match[str]) -> str:
        kind, body = block.groups()
        if kind:
            return block.group()
        lines = [
            f"$ {command}\n{printed_by(command, folder, home=home)}" for command, _ in _steps(body)
        ]
        return "".join(["```console\n", *lines, "```"])

    return _BLOCK.sub(renew, text)


def main() -> None:
    """Renews the READMEs that are given as arguments."""
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
            text = renewed(Path(name).read_text("utf-8"), Path(folder), Path(home))
        Path(name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
