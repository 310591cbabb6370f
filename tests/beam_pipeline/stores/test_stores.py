"""The same jobs on S3, Google Cloud Storage, Azure and HDFS as on local files, byte for byte."""

import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics.metric import Lineage

from beam_pipeline import CountAnagrams, ReadFiles, WriteResults
from beam_pipeline.options import AnagramOptions
from tests.support.cli import ROOT, Finished, assert_one_line_error, run
from tests.support.faulty_proxy import FaultyProxy
from tests.support.faulty_proxy import serving as proxying
from tests.support.lineage import lineage_of
from tests.support.programs import prism
from tests.support.running import running, stopped, wait_until
from tests.support.sessions import masked, printed_by, sessions
from tests.support.stores import Azure, Store

pytestmark = pytest.mark.cluster

TEXTS = {
    "in/a.txt": b"The cat sat; an act, a tac!\n",
    "in/deep/b.txt": "Der Lagerregal-Wächter, ein Retter.\n".encode(),
    "in/empty.txt": b"",
}
WORDS = b"act\ncat\ntac\nregallager\nlagerregal\nretter\n"
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def on_prism() -> Sequence[str]:
    return ["--runner=PrismRunner", f"--prism_location={prism()}"]


RUNNERS: Mapping[str, Callable[[], Sequence[str]]] = {
    "in_memory": tuple,
    "multi_processing": lambda: TWO_PROCESSES,
    "prism": on_prism,
}


class Local:
    """Local files that are named like those of a store."""

    def __init__(self, folder: Path):
        self.root, self.folder = str(folder / "files"), folder

    def put(self, name: str, data: bytes) -> None:
        path = Path(self.root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def get(self, name: str) -> bytes:
        return Path(self.root, name).read_bytes()


def on(store: Store, *arguments: object, cwd: Path, port: int | None = None) -> Finished:
    """A run with arguments in which ``ROOT`` is the folder of the store."""
    spelled = [str(argument).replace("ROOT", store.root) for argument in arguments]
    variables = store.environment(port)
    return run(*spelled, *store.options(port), cwd=cwd, stdin=b"", **variables)


def locally(local: Local, *arguments: object) -> Finished:
    spelled = [str(argument).replace("ROOT", local.root) for argument in arguments]
    return run(*spelled, cwd=local.folder)


def put_all(place: Store | Local) -> None:
    for name, data in {**TEXTS, "words.txt": WORDS}.items():
        place.put(name, data)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    local = Local(tmp_path_factory.mktemp("local"))
    put_all(local)
    return local


@pytest.fixture(scope="module")
def texts(store: Store) -> Store:
    put_all(store)
    return store


COUNT = ("--input=ROOT/in/", "--dictionary=ROOT/words.txt")
JOBS = {
    "one file": ((*COUNT, "--output=ROOT/r.json"), ("r.json",)),
    "compressed": ((*COUNT, "--output=ROOT/r.jsonl.bz2"), ("r.jsonl.bz2",)),
    "elementwise": ((*COUNT, "--output=ROOT/e.csv", "--engine=elementwise"), ("e.csv",)),
    # More shards than words: some are empty.
    "shards": (
        ("--input=ROOT/in/**.txt", *COUNT[1:], "--output=ROOT/s.jsonl", "--num_shards=9"),
        tuple(f"s.jsonl-{shard:05d}-of-00009" for shard in range(9)),
    ),
    "fewer shards": (
        (*COUNT, "--output=ROOT/s.jsonl", "--num_shards=2"),
        ("s.jsonl-00000-of-00002", "s.jsonl-00001-of-00002"),
    ),
    "no dictionary": (
        ("--input=ROOT/in/*", "--dictionary=none", "--output=ROOT/n.parquet"),
        ("n.parquet",),
    ),
    "merge": ((*COUNT, "--merge=ROOT/s.jsonl", "--output=ROOT/m.json"), ("m.json",)),
    "processes": ((*COUNT, "--output=ROOT/p.json", *TWO_PROCESSES), ("p.json",)),
}


@pytest.fixture(scope="module")
def expected(local: Local) -> dict[str, dict[str, bytes]]:
    """The content of all files that each job writes to local files."""
    found = {}
    for name, (arguments, files) in JOBS.items():
        assert locally(local, *arguments).code == 0
        found[name] = {file: local.get(file) for file in files}
    return found


def test_jobs_write_what_they_write_to_local_files(
    texts: Store, expected: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    for name, (arguments, files) in JOBS.items():
        finished = on(texts, *arguments, cwd=tmp_path)
        assert finished.code == 0, (name, finished.err)
        assert {file: texts.get(file) for file in files} == expected[name], name
    left = {name for name in texts.names() if name not in (*TEXTS, "words.txt")}
    # Of the results of nine and of two shards, only the last is there; nothing hidden is.
    assert left == {
        *(file for name, (_, files) in JOBS.items() if name != "shards" for file in files)
    }


def bad_text(runner: Sequence[str]) -> Sequence[Sequence[object]]:
    """A job that leaves dead letters, and its replay, with every option that takes a path."""
    return [
        (
            *("--input=ROOT/bad/", *COUNT[1:], "--output=ROOT/bad.jsonl", "--num_shards=2"),
            *("--encoding_errors=quarantine", "--dead_letters=ROOT/dead.jsonl"),
            *("--report=ROOT/report.json", "--report=ROOT/report.html", *runner),
        ),
        (
            *("replay", "ROOT/dead.jsonl", "--encoding_errors=replace", "--merge=ROOT/bad.jsonl"),
            *("--output=ROOT/bad.json", "--report=ROOT/replay.json", *runner),
        ),
    ]


@pytest.fixture(scope="module")
def bad(local: Local) -> Local:
    """Local files with all that this job and its replay write."""
    local.put("bad/a.txt", b"the cat\nan \xff act\n")
    for arguments in bad_text(()):
        assert locally(local, *arguments).code == 0
    return local


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_path_may_be_on_a_store_on_every_runner_of_one_machine(
    runner: str, texts: Store, bad: Local, tmp_path: Path
) -> None:
    texts.put("bad/a.txt", bad.get("bad/a.txt"))
    for arguments in bad_text(RUNNERS[runner]()):
        finished = on(texts, *arguments, cwd=tmp_path)
        assert finished.code == 0, finished.err
    letter, of_local = (json.loads(place.get("dead.jsonl")) for place in (texts, bad))
    assert letter.pop("source") == of_local.pop("source").replace(bad.root, texts.root)
    del letter["settings"], of_local["settings"]  # have the path of the dictionary
    assert letter == of_local
    shards = [f"bad.jsonl-0000{shard}-of-00002" for shard in range(2)]
    assert list(map(texts.get, shards)) == list(map(bad.get, shards))
    assert (
        texts.get("bad.json")
        == bad.get("bad.json")
        == b'{\n  "act": 2,\n  "cat": 2,\n  "tac": 2\n}\n'
    )
    report = json.loads(texts.get("report.json"))
    assert report["metrics"]["store_requests"] > 0
    assert report["metrics"]["store_bytes_sent"] > sum(len(texts.get(shard)) for shard in shards)
    assert [file["path"] for file in report["result"]] == [
        f"{texts.root}/{shard}" for shard in shards
    ]
    (file,) = json.loads(texts.get("replay.json"))["result"]
    assert file["path"] == f"{texts.root}/bad.json"
    secrets = ("hush", "AccountKey=Eby8")
    assert not [secret for secret in secrets if secret in texts.get("report.html").decode()]


def test_watched_files_are_counted_in_windows_on_a_store(texts: Store, tmp_path: Path) -> None:
    """The words, the texts, the windows, their dead letters and what is written down of them."""

    def windows() -> Counter[str]:
        total: Counter[str] = Counter()
        for name in texts.names():
            if name.startswith("windows/2"):
                for record in map(json.loads, texts.get(name).splitlines()):
                    total[record["word"]] += record["count"]
        return total

    arguments = [
        *("--input=ROOT/watched/*.txt", "--dictionary=ROOT/words.txt", "--watch=1", "--window=2"),
        *("--output=ROOT/windows", "--dead_letters=ROOT/dead_windows", *on_prism()),
        "--encoding_errors=quarantine",
    ]
    spelled = [argument.replace("ROOT", texts.root) for argument in arguments] + texts.options()
    texts.put("watched/a.txt", b"cat act\nan \xff act\n")
    with running(*spelled, cwd=tmp_path, **texts.environment()) as process:
        wait_until(lambda: sum(windows().values()) == 6, process)
    texts.put("watched/b.txt", b"retter tac\n")
    with running(*spelled, cwd=tmp_path, **texts.environment()) as process:
        wait_until(lambda: sum(windows().values()) > 6, process)
        finished = stopped(process, signal.SIGINT)
    assert_one_line_error(finished, "interrupted", f"{texts.root}/windows", code=130)
    assert windows() == {"act": 3, "cat": 3, "tac": 3, "retter": 1}
    letters = [name for name in texts.names() if name.startswith("dead_windows/2")]
    (letter,) = [line for name in letters for line in texts.get(name).splitlines()]
    assert json.loads(letter)["source"] == f"{texts.root}/watched/a.txt"
    assert ".stream.json" in {name.rpartition("/")[2] for name in texts.names()}


def test_the_session_in_the_readme_can_be_repeated_as_printed(
    texts: Store, bad: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts.put("bad/a.txt", bad.get("bad/a.txt"))
    (session,) = (
        session
        for session in sessions(ROOT / "beam_pipeline" / "io" / "README.md")
        if session.kind == "stores" and any(texts.root in step.command for step in session.steps)
    )
    if isinstance(texts, Azure):
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", texts.connection(texts.port))
    for command, printed in session.steps:
        here = re.sub(r"\b55\d\d\b", str(texts.port), command)
        assert masked(printed_by(here, tmp_path)) == masked(printed), command


def test_small_files_are_one_request_each_and_all_requests_are_in_the_report(
    texts: Store, tmp_path: Path
) -> None:
    number = 40
    for file in range(number):
        texts.put(f"many/{file % 3}/{file}.txt", b"cat\n" * file)
    report = tmp_path / "report.json"
    asked: list[str] = []
    looks: list[str] = []

    def on_forward(method: str, target: str) -> None:
        # Google's client looks at the bucket in a thread of its own, perhaps when all is over.
        (looks if "/b/bucket?" in target else asked).append(target)

    with proxying(FaultyProxy(texts.port, rate=0, on_forward=on_forward)) as proxy:
        finished = on(
            *(texts, "--input=ROOT/many/", "--output=r.json", f"--report={report}"),
            cwd=tmp_path,
            port=proxy.port,
        )
    assert finished.code == 0, finished.err
    metrics = json.loads(report.read_text())["metrics"]
    assert metrics["store_bytes_sent"] == 0
    if texts.extra == "hadoop":  # files come from DataNodes, to which no proxy leads
        assert len(asked) < metrics["store_requests"] < 2 * number + 20
    else:
        assert len(asked) <= metrics["store_requests"] <= len(asked) + len(looks)
        assert len(asked) < number + 6
        assert metrics["store_bytes_received"] > sum(4 * file for file in range(number))


def test_sources_and_sinks_are_named_as_beams_own_connectors_do(
    texts: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in texts.environment().items():
        monkeypatch.setenv(name, value)
    options = AnagramOptions(texts.options())
    FileSystems.set_options(options)  # the dictionary is read before there is a pipeline
    root = texts.root
    with beam.Pipeline(runner="FnApiRunner", options=options) as p:
        count = CountAnagrams(dictionary=f"{root}/words.txt")
        p | ReadFiles(f"{root}/in/") | count | WriteResults(f"{root}/lineage/r.json")
    prefixes = {"aws": "s3:bucket.", "gcp": "gcs:bucket.", "azure": "abs:devstoreaccount1.bucket."}
    prefix = prefixes.get(texts.extra)  # Beam's filesystem of HDFS names nothing
    read, written = {*TEXTS, "words.txt"}, {"lineage/r.json"}
    assert lineage_of(p.result) == {
        Lineage.SOURCE: {f"{prefix}{name}" for name in read if prefix},
        Lineage.SINK: {f"{prefix}{name}" for name in written if prefix},
    }


def test_what_is_missing_or_forbidden_is_one_line_at_once(texts: Store, tmp_path: Path) -> None:
    missing = on(texts, "--input=ROOT/nothing.txt", cwd=tmp_path)
    assert_one_line_error(missing, "--input", f"{texts.root}/nothing.txt", "no file", code=2)
    missing = on(texts, "--text=a", "--merge=ROOT/nothing.json", cwd=tmp_path)
    assert_one_line_error(missing, "--merge", f"{texts.root}/nothing.json", code=2)


@pytest.mark.parametrize("status", ["403", "404"])
def test_a_permanent_answer_is_asked_for_once(status: str, texts: Store, tmp_path: Path) -> None:
    proxy = FaultyProxy(texts.port, rate=1, faults=[status])
    with proxying(proxy):
        finished = on(
            texts, "--text=a", "--dictionary=ROOT/words.txt", cwd=tmp_path, port=proxy.port
        )
    assert_one_line_error(finished, f"--dictionary={texts.root}/words.txt", code=2)
    assert proxy.seen[""] <= 2  # S3's client asks again where its bucket is


@pytest.mark.parametrize("seed", [1])
def test_faults_change_nothing(
    seed: int, texts: Store, expected: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    proxy = FaultyProxy(texts.port, seed=seed)
    with proxying(proxy):
        for name in ("one file", "fewer shards", "merge"):
            arguments, files = JOBS[name]
            finished = on(texts, *arguments, cwd=tmp_path, port=proxy.port)
            assert finished.code == 0, (name, finished.err)
            assert {file: texts.get(file) for file in files} == expected[name]
    assert sum(proxy.seen.values()) > proxy.seen[""], "no request was broken"
    assert not [name for name in texts.names() if name.startswith(".")]


def test_a_server_that_is_gone_is_one_line(texts: Store, tmp_path: Path) -> None:
    finished = on(texts, "--text=a", "--dictionary=ROOT/words.txt", cwd=tmp_path, port=9)
    assert_one_line_error(finished, f"--dictionary={texts.root}/words.txt", code=2)
    assert re.search(r"refused|connect", finished.err, re.IGNORECASE), finished.err


def test_a_server_that_is_killed_leaves_a_whole_result(texts: Store, tmp_path: Path) -> None:
    if texts.extra == "aws":
        pytest.skip("moto keeps nothing when it is killed")
    old, new = b'{\n  "act": 1\n}\n', b'{\n  "act": 3,\n  "cat": 3,\n  "tac": 3\n}\n'
    texts.put("k.json", old)

    def kill_once(number: int) -> None:
        if number == 12:
            texts.kill()
            texts.start()

    proxy = FaultyProxy(texts.port, rate=0, on_request=kill_once)
    with proxying(proxy):
        finished = on(
            *(texts, "--input=ROOT/in/", "--dictionary=ROOT/words.txt", "--output=ROOT/k.json"),
            *("--min_count=3", "--top=3"),
            cwd=tmp_path,
            port=proxy.port,
        )
    assert proxy.seen[""] >= 12
    if finished.code == 0:
        assert texts.get("k.json") == new
    else:
        assert_one_line_error(finished, f"{texts.root}/k.json", code=1)
        assert texts.get("k.json") == old
