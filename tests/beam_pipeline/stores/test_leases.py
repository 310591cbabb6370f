"""Two runs to one path of a store: their files never mix, and who is killed blocks nobody."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from beam_pipeline.errors import OutputError
from beam_pipeline.io import naming, publishing
from beam_pipeline.io.exchange import Exchange, WrittenFile, identity_of
from beam_pipeline.io.leases import LockLostError, lease
from beam_pipeline.options import AnagramOptions
from tests.support.cli import COMMAND, GIVE_UP, environment
from tests.support.faulty_proxy import FaultyProxy
from tests.support.faulty_proxy import serving as proxying
from tests.support.stores import CONDITIONAL_STORES, Store, serving
from transforms.files import stores
from transforms.files.registers import Register, register_at
from transforms.files.renaming import Guard
from transforms.stages.retry import Resilience, Retrier
from transforms.stages.totals import Totals

pytestmark = pytest.mark.cluster

RETRIER = Retrier("write", Resilience())


@pytest.fixture(scope="module", params=sorted(CONDITIONAL_STORES))
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store that serves as long as the tests of a file run, and honours conditions."""
    name = str(request.param)
    with serving(CONDITIONAL_STORES[name](tmp_path_factory.mktemp(name))) as store:
        yield store


@pytest.fixture
def here(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store, for functions that are called in this process."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    FileSystems.set_options(AnagramOptions(store.options()))
    return store


def registered(path: str) -> Register:
    register = register_at(naming.register_path(path))
    assert register is not None
    return register


def test_a_register_is_only_replaced_by_who_knows_what_is_there(here: Store) -> None:
    register = registered(f"{here.root}/register.json")
    assert register.read() is None
    first = register.write("one")
    assert first is not None
    assert register.write("two") is None
    second = register.write("two", first)
    assert second is not None
    assert register.write("three", first) is None
    found = register.read()
    assert found is not None
    assert found == ("two", second)
    register.clear(second)
    register.clear(second)
    assert register.read() is None
    assert register.write("four", second) is None
    assert not [name for name in here.names() if "register" in name]


def test_of_many_who_write_at_once_one_is_first(here: Store) -> None:
    register = registered(f"{here.root}/race.json")
    for _ in range(5):
        with ThreadPoolExecutor(6) as pool:
            written = list(pool.map(register.write, map(str, range(6))))
        (version,) = [version for version in written if version is not None]
        register.clear(version)


def test_a_lease_is_held_as_long_as_it_takes_and_then_free(here: Store) -> None:
    path = f"{here.root}/held.json"
    with lease(path, registered(path), "a", seconds=3.0):
        versions = set[str]()
        while len(versions) < 3:  # who waits sees that the holder lives
            found = registered(path).read()
            assert found is not None
            assert found.text == "a"
            versions.add(found.version)
        with (
            pytest.raises(OutputError, match="another run has been publishing"),
            lease(path, registered(path), "b", timeout=0.5),
        ):
            pass
    with lease(path, registered(path), "b", patience=GIVE_UP) as held:
        assert held.run == "b"


def test_a_lease_of_who_is_gone_is_taken_over_in_its_name(here: Store) -> None:
    path = f"{here.root}/gone.json"
    assert registered(path).write("dead") is not None
    with lease(path, registered(path), "next", patience=0.5) as held:
        assert held.run == "dead"
        held.hand_to("next")
        found = registered(path).read()
        assert found is not None
        assert found.text == "next"
    assert registered(path).read() is None


def test_who_has_lost_the_lock_finds_out_and_leaves_it_alone(here: Store) -> None:
    path = f"{here.root}/lost.json"
    with lease(path, registered(path), "a", seconds=60.0) as held:
        found = registered(path).read()
        assert found is not None
        assert registered(path).write("b", found.version) is not None
        with pytest.raises(LockLostError, match=f"^{path}: not published"):
            held.hand_to("a")
        with pytest.raises(LockLostError):
            held.check()
    found = registered(path).read()
    assert found is not None
    assert found.text == "b"


@pytest.mark.parametrize("replaces", [False, True], ids=["set aside", "put in place"])
def test_a_request_that_comes_late_does_nothing_to_a_newer_result(
    replaces: bool, here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run publishes when the first one has looked what is there, and before it is renamed.

    Of the servers here, that of Google honours no conditions of these requests, and that of S3 none
    of copies; HDFS has none.
    """
    honours = here.extra in (("azure",) if replaces else ("azure", "aws"))
    name = f"late{replaces}.json"
    path, other = f"{here.root}/{name}", f"{here.root}/other-{name}"
    here.put(name, b"old")
    here.put(f"other-{name}", b"dead")

    def check() -> None:
        if here.get(name) == b"newer":
            raise LockLostError("found out")
        here.put(name, b"newer")

    asked: list[str] = []
    proxy = FaultyProxy(here.port, rate=0, on_forward=lambda *request: asked.append(request[1]))
    with proxying(proxy):
        for variable, value in here.environment(proxy.port).items():
            monkeypatch.setenv(variable, value)
        FileSystems.set_options(AnagramOptions(here.options(proxy.port)))
        lost = pytest.raises(LockLostError) if honours else contextlib.nullcontext()
        with lost:
            stores.rename(*((other, path) if replaces else (path, other)), Guard(path, check))
    if honours:
        assert here.get(name) == b"newer"
    if here.extra == "gcp":
        assert any("ifGenerationMatch=" in target for target in asked)


def written(path: str, number: int, content: str, token: str) -> list[WrittenFile]:
    files = []
    for shard in range(number):
        final = naming.shard_path(path, shard, number)
        temporary = naming.temporary_path(final, token)
        stores.write_file(temporary, content.encode())
        files.append(WrittenFile(temporary, final, identity_of(temporary)))
    return files


class KilledError(BaseException):
    """The process that publishes is killed."""


def killed_at(step: int) -> Callable[[Callable[[], None]], None]:
    left = [step]

    def attempt(make: Callable[[], None]) -> None:
        if not left[0]:
            raise KilledError
        left[0] -= 1
        make()

    return attempt


@pytest.mark.parametrize("step", [0, 1, 4])
def test_whoever_takes_over_ends_what_was_begun(
    step: int, here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three shards replace two; killed after so many steps. The next run's result is smaller."""
    path = f"{here.root}/over{step}.json"
    old, dead, new = (naming.new_token() for _ in range(3))
    publishing.publish(path, written(path, 2, "old", old), RETRIER, token=old, num_shards=2)
    files = written(path, 3, "dead", dead)
    planned = Exchange.plan(files, publishing._stale(path, 3, files), dead, is_last_alone=False)
    publishing.Manifest(planned, Totals()).write(path, dead)
    assert registered(path).write(dead) is not None
    with pytest.raises(KilledError):
        planned.carry_out(killed_at(step))
    monkeypatch.setattr(publishing, "lease", functools.partial(lease, patience=0.5))
    publishing.publish(path, written(path, 2, "new", new), RETRIER, token=new, num_shards=2)
    left = {name for name in here.names() if f"over{step}.json" in name}
    manifest = naming.name_of(naming.manifest_path(path, dead))
    assert left == {manifest, *(f"over{step}.json-0000{shard}-of-00002" for shard in (0, 1))}
    assert here.get(f"over{step}.json-00000-of-00002") == b"new"
    # The dead run's client, if it lives, learns that its result was published, and moves nothing.
    assert publishing.finish(path, dead) is not None
    assert here.get(f"over{step}.json-00000-of-00002") == b"new"
    stores.delete([naming.manifest_path(path, dead)])


# The final name of the second shard, and not that of a hidden file.
_SECOND_SHARD = re.compile(r"(?<!\.)two\.jsonl-00001-of-00003(?!\.)")


class Gate:
    """Stops a run when it is about to give the second of three shards its name."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, method: str, target: str) -> None:
        for mark in ("destination=", "/rewriteTo/"):  # what stands before is renamed
            target = target.rpartition(mark)[2]
        if method in ("PUT", "POST") and _SECOND_SHARD.search(target):
            self.reached.set()
            assert self.opened.wait(GIVE_UP)


def start(store: Store, port: int, text: str, cwd: Path) -> "subprocess.Popen[bytes]":
    """A run that counts a text into three shards of one path."""
    return subprocess.Popen(
        [
            *(*COMMAND, f"--text={text}", f"--output={store.root}/two.jsonl"),
            *("--dictionary=none", "--num_shards=3", *store.options(port)),
        ],
        cwd=cwd,
        env=environment(**store.environment(port)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@contextlib.contextmanager
def stopped_between_shards(
    store: Store, text: str, cwd: Path
) -> Iterator[tuple["subprocess.Popen[bytes]", Gate]]:
    """A run that has published the first of its shards, and waits."""
    gate = Gate()
    with proxying(FaultyProxy(store.port, rate=0, on_forward=gate)) as proxy:
        run = start(store, proxy.port, text, cwd)
        try:
            assert gate.reached.wait(GIVE_UP)
            yield run, gate
        finally:
            gate.opened.set()
            if run.poll() is None:
                run.kill()
            run.communicate()


def words_in(store: Store) -> set[bytes]:
    """The words in the shards of the result, which has all three."""
    shards = {name for name in store.names() if name.startswith("two.jsonl")}
    assert shards == {f"two.jsonl-0000{shard}-of-00003" for shard in range(3)}
    lines = [line for shard in shards for line in store.get(shard).splitlines()]
    return {line.split(b'"')[3] for line in lines}


def test_two_runs_to_one_path_do_not_mix(store: Store, tmp_path: Path) -> None:
    asked = threading.Semaphore(0)

    def on_forward(method: str, target: str) -> None:
        if ".two.jsonl.publishing.lock" in target:
            asked.release()

    with (
        stopped_between_shards(store, "a bb ccc dddd eeeee", tmp_path) as (first, gate),
        proxying(FaultyProxy(store.port, rate=0, on_forward=on_forward)) as proxy,
    ):
        second = start(store, proxy.port, "A BB CCC DDDD EEEEE f gg hhh", tmp_path)
        for _ in range(6):  # it has looked for the lock again and again
            assert asked.acquire(timeout=GIVE_UP)
        shown = {name for name in store.names() if name.startswith("two.jsonl")}
        assert shown == {"two.jsonl-00000-of-00003"}
        gate.opened.set()
        for run in (first, second):
            _, err = run.communicate(timeout=GIVE_UP)
            assert run.returncode == 0, err
    assert words_in(store) == set(b"a bb ccc dddd eeeee f gg hhh".split())
    assert not [name for name in store.names() if name.startswith(".two")]


def test_a_run_that_is_killed_between_two_shards_keeps_the_next_waiting_for_a_lease(
    store: Store, tmp_path: Path
) -> None:
    if store.extra not in ("aws", "hadoop"):
        pytest.skip("two stores, of both kinds of registers, show it")
    with stopped_between_shards(store, "x yy zzz", tmp_path) as (first, _):
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        second = start(store, store.port, "one two three four five six", tmp_path)
        _, err = second.communicate(timeout=GIVE_UP)
        assert second.returncode == 0, err
    assert words_in(store) == set(b"one two three four five six".split())
    # What is left is removed when it is a day old; no lock is.
    assert all(".manifest" in name for name in store.names() if name.startswith(".two"))
