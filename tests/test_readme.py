"""The sessions in READMEs come out as they are printed there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import ROOT, environment

#: README -> the folder that its sessions name.
SESSIONS = {"README.md": "", "beam_pipeline/io/README.md": "/tmp/texts"}
_BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What differs from run to run and from machine to machine.
_VARYING = (
    (re.compile(r"done in [\d.]+ s"), "done in N s"),
    (re.compile(r"\(in_memory, \d+ (thread|worker)s?\)"), "(in_memory)"),
    (re.compile(r"^retries: \d+$", re.MULTILINE), "retries: N"),
)


def blocks(readme: str, language: str) -> list[str]:
    text = (ROOT / readme).read_text("utf-8")
    return [body for name, body in _BLOCKS.findall(text) if name == language]


def steps(readme: str) -> Iterator[tuple[str, str]]:
    """Yields each command of the sessions, and what is printed below it."""
    for block in blocks(readme, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            yield command, printed


def masked(text: str) -> str:
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def run(command: list[str], folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    finished = subprocess.run(
        command,
        cwd=folder,
        env=environment(PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    return finished.stdout.decode()


@pytest.mark.parametrize("readme", SESSIONS)
def test_a_session_can_be_repeated_as_printed(readme: str, tmp_path: Path) -> None:
    seen = 0
    for command, printed in steps(readme):
        out = run(["bash", "-c", command], tmp_path)
        named = SESSIONS[readme]
        out = out.replace(str(tmp_path), named) if named else out
        assert masked(out) == masked(printed), command
        seen += 1
    assert seen >= 8


def test_the_example_for_pipelines_prints_what_is_said(tmp_path: Path) -> None:
    (example,) = blocks("README.md", "python")
    lines = run([sys.executable, "-c", example], tmp_path).splitlines()
    records = [line for line in lines if line.startswith("AnagramCount(")]
    assert sorted(records) == [
        f"AnagramCount(word={word!r}, count=2, signature='eilnst')" for word in ("enlist", "silent")
    ]
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"`{records[0]}`" in text or f"`{records[1]}`" in text


def test_links_lead_somewhere() -> None:
    readmes = [*ROOT.glob("*.md"), *ROOT.glob("[bt]*/**/README.md")]
    assert len(readmes) >= 8
    for readme in readmes:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text("utf-8")):
            if "://" not in link:
                assert (readme.parent / link).exists(), f"{readme}: {link}"
