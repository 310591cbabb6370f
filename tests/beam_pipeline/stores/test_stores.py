"""The same jobs on S3, Google Cloud Storage, Azure and HDFS as on local files, byte for byte."""

import json
import re
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics.metric import Lineage

from beam_pipeline import CountAnagrams, ReadFiles, WriteResults
from beam_pipeline.options import AnagramOptions
from tests.support.cli import Finished, assert_one_line_error, run
from tests.support.faulty_proxy import FaultyProxy
from tests.support.faulty_proxy import serving as proxying
from tests.support.lineage import lineage_of
from tests.support.stores import Store

pytestmark = pytest.mark.cluster

TEXTS = {
    "in/a.txt": b"The cat sat; an act, a tac!\n",
    "in/deep/b.txt": "Der Lagerregal-Wächter, ein Retter.\n".encode(),
    "in/empty.txt": b"",
}
WORDS = b"act\ncat\ntac\nregallager\nlagerregal\nretter\n"
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


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


def test_dead_letters_are_replayed_and_merged_and_reported(
    texts: Store, local: Local, tmp_path: Path
) -> None:
    for place in (texts, local):
        place.put("bad/a.txt", b"the cat\nan \xff act\n")
    jobs = [
        (
            *("--input=ROOT/bad/", *COUNT[1:], "--output=ROOT/bad.json"),
            *("--encoding_errors=quarantine", "--dead_letters=ROOT/dead.jsonl"),
            *("--report=ROOT/report.json", "--report=ROOT/report.html"),
        ),
        (
            *("replay", "ROOT/dead.jsonl", "--encoding_errors=replace"),
            *("--merge=ROOT/bad.json", "--output=ROOT/bad.json"),
        ),
    ]
    for arguments in jobs:
        finished = on(texts, *arguments, cwd=tmp_path)
        assert finished.code == 0, finished.err
        assert locally(local, *arguments).code == 0
    letter, of_local = (json.loads(place.get("dead.jsonl")) for place in (texts, local))
    assert letter.pop("source") == of_local.pop("source").replace(local.root, texts.root)
    del letter["settings"], of_local["settings"]  # have the path of the dictionary
    assert letter == of_local
    assert (
        texts.get("bad.json")
        == local.get("bad.json")
        == b'{\n  "act": 2,\n  "cat": 2,\n  "tac": 2\n}\n'
    )
    report = json.loads(texts.get("report.json"))
    assert report["metrics"]["store_requests"] > 0
    assert report["metrics"]["store_bytes_sent"] > len(texts.get("bad.json"))
    (file,) = report["result"]
    assert file["path"] == f"{texts.root}/bad.json"
    secrets = ("hush", "AccountKey=Eby8")
    assert not [secret for secret in secrets if secret in texts.get("report.html").decode()]


def test_small_files_are_one_request_each_and_all_requests_are_in_the_report(
    texts: Store, tmp_path: Path
) -> None:
    number = 40
    for file in range(number):
        texts.put(f"many/{file % 3}/{file}.txt", b"cat\n" * file)
    report = tmp_path / "report.json"
    asked: list[str] = []

    def on_forward(method: str, target: str) -> None:
        if "/b/bucket?" not in target:  # Google's client looks at the bucket, in its own thread
            asked.append(target)

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
        assert len(asked) == metrics["store_requests"] < number + 6
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
