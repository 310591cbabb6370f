"""The sessions in READMEs come out as they are printed there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.cli import GIVE_UP, ROOT, environment
from tests.support.flink_cluster import FlinkCluster
from tests.support.sessions import KINDS, masked, printed_by, readmes, renewed, sessions

SESSIONS = {
    readme.relative_to(ROOT).as_posix(): found
    for readme in readmes()
    if (found := sessions(readme))
}


def with_sessions(kind: str) -> list[str]:
    """The READMEs that have sessions of this kind."""
    return [name for name, found in SESSIONS.items() if kind in {session.kind for session in found}]


def test_all_sessions_are_found() -> None:
    assert {
        *("README.md", "beam_pipeline/io/README.md", "beam_pipeline/report/README.md"),
        *("beam_pipeline/runners/README.md", "beam_pipeline/benchmark/README.md"),
    } <= set(SESSIONS)
    for name, found in SESSIONS.items():
        assert {session.kind for session in found} <= set(KINDS), name
        text = (ROOT / name).read_text("utf-8")
        assert text.count("\n$ ") == sum(len(session.steps) for session in found), name


@pytest.mark.parametrize(
    "name",
    [
        name if name == "README.md" else pytest.param(name, marks=pytest.mark.slow)
        for name in with_sessions("")
    ],
)
def test_a_session_can_be_repeated_as_printed(name: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "texts").mkdir()
    for session in SESSIONS[name]:
        if not session.kind:
            for command, printed in session.steps:
                out = printed_by(command, tmp_path / "texts", home=tmp_path / "home")
                assert masked(out) == masked(printed), command


@pytest.mark.cluster
@pytest.mark.parametrize("name", with_sessions("cluster"))
def test_a_session_on_other_runners_can_be_repeated_as_printed(name: str, tmp_path: Path) -> None:
    programs.prism()
    for session in SESSIONS[name]:
        if session.kind == "cluster":
            for command, printed in session.steps:
                assert masked(printed_by(command, tmp_path)) == masked(printed), command


def test_sessions_can_be_renewed(tmp_path: Path) -> None:
    stale = "# A\n```console\n$ echo new; pwd\nold\n```\n```console measured\n$ old\nold\n```\n"
    assert renewed(stale, tmp_path, tmp_path / "home") == stale.replace(
        "pwd\nold", "pwd\nnew\n/tmp/texts"
    )


def test_the_example_for_pipelines_prints_what_is_said(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    out = subprocess.check_output(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment(), text=True, timeout=GIVE_UP
    )
    lines = out.splitlines()
    records = [line for line in lines if line.startswith("AnagramCount(")]
    assert sorted(records) == [
        f"AnagramCount(word={word!r}, count=2, signature='eilnst')" for word in ("enlist", "silent")
    ]
    text = " ".join(readme.split())
    assert f"`{records[0]}`" in text or f"`{records[1]}`" in text


def test_links_lead_somewhere() -> None:
    readmes = [*ROOT.glob("*.md"), *ROOT.glob("[bt]*/**/README.md")]
    readmes += ROOT.glob("resources/*/README.md")
    assert len(readmes) >= 8
    for readme in readmes:
        for link in re.findall(r"\]\(([^)]+)\)", readme.read_text("utf-8")):
            if "://" not in link:
                path, _, heading = link.partition("#")
                target = readme.parent / path if path else readme
                assert target.exists(), f"{readme}: {link}"
                assert not heading or heading in headings(target), f"{readme}: {link}"


def headings(readme: Path) -> set[str]:
    """The headings of a README, as links name them."""
    text = re.sub(r"^```.*?^```$", "", readme.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("name", ["runners", "io/streams"])
def test_jobs_for_the_cluster_on_one_machine_have_the_options_that_it_prints(name: str) -> None:
    text = (ROOT / "beam_pipeline" / name / "README.md").read_text("utf-8")
    commands = re.findall(
        r"^(?:\$ )?python -m beam_pipeline .*--flink_master.127\.0\.0\.1.*",
        text.replace(" \\\n", " "),
        re.MULTILINE,
    )
    assert commands
    for command in commands:
        words = " ".join(command.replace("=", " ").split())
        for option in FlinkCluster(Path("flink")).options:
            assert option.replace("=", " ") in words, f"{option}: {command}"
