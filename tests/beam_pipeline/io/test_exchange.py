"""One result replaces another whole, whatever fails or is killed between any two steps."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beam_pipeline.io import exchange
from beam_pipeline.io.exchange import Exchange, ExchangeError, WrittenFile, identity_of
from beam_pipeline.io.naming import all_shards, new_token, shard_path, temporary_path
from transforms.files.renaming import Guard

TOKEN = new_token()
#: Number of shards before (0: no result) and after.
CHANGES = [(0, 1), (1, 1), (0, 3), (1, 3), (3, 1), (3, 3), (5, 3), (2, 4)]


class Killed(BaseException):
    """What ends a process at once; nothing catches it."""


def names(number: int) -> list[str]:
    """The names of a result of so many files."""
    return [shard_path("r.json", shard, number) for shard in range(number)]


def contents(folder: Path) -> dict[str, str]:
    """What stands in a folder, without what is hidden."""
    return {path.name: path.read_text() for path in folder.iterdir() if path.name[0] != "."}


def result(number: int, content: str) -> dict[str, str]:
    return {name: f"{content} {name}" for name in names(number)}


class Scene:
    """An old result in a folder, and a new one that is to replace it, with dead letters or without.

    Args:
      folder: where to put them.
      change: number of files before and after.
      dead_letters: whether both have dead letters.
    """

    def __init__(self, folder: Path, change: tuple[int, int], dead_letters: bool = False):
        self.folder = folder
        before, after = change
        dead = {"dead.jsonl": " letters"} if dead_letters else {}
        self.old = result(before, "old") | {name: "old" + what for name, what in dead.items()}
        self.new = {name: "new" + what for name, what in dead.items()} | result(after, "new")
        for name, content in self.old.items():
            (folder / name).write_text(content)
        output = str(folder / "r.json")
        files = [self._written(name, content) for name, content in self.new.items()]
        stale = [*all_shards(output), *([output] if after > 1 and before == 1 else [])]
        written = {file.final for file in files}
        self.exchange = Exchange.plan(
            files,
            [path for path in stale if path not in written],
            TOKEN,
            is_last_alone=after == 1,
        )

    def _written(self, name: str, content: str) -> WrittenFile:
        final = str(self.folder / name)
        temporary = Path(temporary_path(final, TOKEN))
        temporary.write_text(content)
        return WrittenFile(str(temporary), final, identity_of(str(temporary)))

    @property
    def hidden(self) -> list[str]:
        return [name for name in os.listdir(self.folder) if name[0] == "."]


@pytest.fixture(params=list(itertools.product(CHANGES, [False, True])), ids=str)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Scene]:
    """Makes the same scene again and again, in folders of their own."""
    numbers = itertools.count()

    def make() -> Scene:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return Scene(folder, *request.param)

    return make


def stopping_at(step: int, error: BaseException) -> Callable[[Callable[[], None]], None]:
    """An `attempt` that raises an error instead of making one of the steps."""
    numbers = itertools.count()

    def attempt(make_step: Callable[[], None]) -> None:
        if next(numbers) == step:
            raise error
        make_step()

    return attempt


def steps_of(scene: Scene) -> Iterator[int]:
    made = list[Callable[[], None]]()
    scene.exchange.carry_out(lambda make_step: made.append(make_step) or make_step())  # type: ignore[func-returns-value]
    yield from range(len(made))


def test_a_result_replaces_another_whole(make: Callable[[], Scene]) -> None:
    scene = make()
    scene.exchange.carry_out()
    assert contents(scene.folder) == scene.new
    assert scene.hidden == []


def test_each_step_may_be_repeated_and_so_may_all(make: Callable[[], Scene]) -> None:
    scene = make()

    def attempt(make_step: Callable[[], None]) -> None:
        make_step()
        make_step()

    scene.exchange.carry_out(attempt)
    scene.exchange.carry_out()
    scene.exchange.resume()
    assert contents(scene.folder) == scene.new
    assert scene.hidden == []


def test_a_step_that_fails_undoes_the_others(make: Callable[[], Scene]) -> None:
    for step in steps_of(make()):
        scene = make()
        with pytest.raises(ExchangeError) as caught:
            scene.exchange.carry_out(stopping_at(step, OSError("on purpose")))
        assert contents(scene.folder) == scene.old, step
        assert caught.value.backups == ()
        assert len(scene.hidden) == len(scene.new)  # all of its temporary files, and no more


def test_a_fault_behind_the_last_step_is_none(make: Callable[[], Scene]) -> None:
    last = list(steps_of(make()))[-1]
    scene = make()
    numbers = itertools.count()

    def attempt(make_step: Callable[[], None]) -> None:
        make_step()
        if next(numbers) == last:
            raise OSError("on purpose")

    scene.exchange.carry_out(attempt)
    assert contents(scene.folder) == scene.new
    assert scene.hidden == []


def test_who_is_killed_before_any_step_is_finished_for(make: Callable[[], Scene]) -> None:
    """And until then no names have old and new files side by side."""
    for step in steps_of(make()):
        scene = make()
        with pytest.raises(Killed):
            scene.exchange.carry_out(stopping_at(step, Killed()))
        found = contents(scene.folder)
        for number in range(1, 6):
            whose = {found[name].split()[0] for name in names(number) if name in found}
            assert len(whose) <= 1, (step, found)
        if len(scene.new) == len(scene.old) == 1:
            assert found in (scene.old, scene.new)
        scene.exchange.resume()
        assert contents(scene.folder) == scene.new, step
        assert scene.hidden == []


def test_who_is_killed_and_has_lost_a_file_is_undone(make: Callable[[], Scene]) -> None:
    for step in steps_of(make()):
        scene = make()
        with pytest.raises(Killed):
            scene.exchange.carry_out(stopping_at(step, Killed()))
        left = [file for file in scene.exchange.new if os.path.exists(file.temporary)]
        has_backups = any(name.endswith(".old") for name in scene.hidden)
        if len(left) < (1 if has_backups else 2):
            continue  # it looks like one that was over, of which somebody has removed a file
        os.remove(left[-1].temporary)
        scene.exchange.resume()
        assert contents(scene.folder) == scene.old, step


def test_an_exchange_that_is_over_is_not_made_again(make: Callable[[], Scene]) -> None:
    """Its manifest may be found much later, when other results stand there."""
    scene = make()
    scene.exchange.carry_out()
    for name in scene.new:
        (scene.folder / name).unlink()
    (scene.folder / "r.json").write_text("of another run")
    scene.exchange.resume()
    assert contents(scene.folder) == {"r.json": "of another run"}


def test_a_temporary_file_that_is_gone_is_no_success(tmp_path: Path) -> None:
    """Although something stands at the final path: the old result."""
    scene = Scene(tmp_path, (1, 1))
    os.remove(scene.exchange.new[0].temporary)
    with pytest.raises(ExchangeError) as caught:
        scene.exchange.carry_out()
    assert "its temporary file is gone" in str(caught.value.cause)
    assert contents(tmp_path) == scene.old


@pytest.mark.parametrize("what", ["folder", "pipe"])
@pytest.mark.parametrize("change", CHANGES)
def test_only_files_are_replaced(what: str, change: tuple[int, int], tmp_path: Path) -> None:
    scene = Scene(tmp_path, change)
    last = Path(scene.exchange.new[-1].target)
    last.unlink(missing_ok=True)
    last.mkdir() if what == "folder" else os.mkfifo(last)
    before = {name: content for name, content in scene.old.items() if name != last.name}
    with pytest.raises(ExchangeError) as caught:
        scene.exchange.carry_out()
    assert caught.value.target == str(last)
    assert not last.is_file()
    last.rmdir() if what == "folder" else last.unlink()
    assert contents(tmp_path) == before


def test_an_old_file_that_cannot_be_put_back_is_kept_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, (3, 3))
    rename = exchange.rename

    def cannot_go_back(source: str, target: str, guard: Guard | None = None) -> None:
        if source.endswith(".old") and "00001-of" in target:
            raise OSError("on purpose")
        rename(source, target, guard)

    monkeypatch.setattr(exchange, "rename", cannot_go_back)
    with pytest.raises(ExchangeError) as caught:
        scene.exchange.carry_out(stopping_at(4, OSError("on purpose")))
    (backup,) = caught.value.backups
    assert Path(backup).read_text() == "old r.json-00001-of-00003"


def test_files_that_share_a_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("r.json")
    files = []
    for name in ("one", "r.json"):
        final = str(tmp_path / name)
        temporary = temporary_path(final, TOKEN)
        Path(temporary).write_text("")
        files.append(WrittenFile(temporary, final, identity_of(temporary)))
    with pytest.raises(ExchangeError) as caught:
        Exchange.plan(files, (), TOKEN, is_last_alone=True)
    assert "two files" in str(caught.value.cause)


def test_a_link_that_has_been_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to("here.json")
    temporary = temporary_path(str(link), TOKEN)
    Path(temporary).write_text("")
    written = WrittenFile(temporary, str(link), identity_of(temporary))
    link.unlink()
    link.symlink_to("elsewhere.json")
    with pytest.raises(ExchangeError, match="elsewhere"):
        Exchange.plan([written], (), TOKEN, is_last_alone=True)
