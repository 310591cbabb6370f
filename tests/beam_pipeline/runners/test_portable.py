"""Jobs on real portable runners, whose workers have nothing of this project until a job brings it.

Prism is Beam's runner in Go; the other job server is the one of Beam for Python, in a process of
its own. Workers come from pools whose Python has apache-beam only. Some tests add what this
package requires, as it takes long to install.
"""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from beam_pipeline.runners.staging import requirements
from tests.support import programs, worker_pool
from tests.support.cli import COMMAND, GIVE_UP, Finished, assert_one_line_error, environment, run
from tests.support.reference import dictionary_words

pytestmark = pytest.mark.cluster

FAILED = 1


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two megabytes of words, in GCIDE and not, and one byte that is not valid UTF-8."""
    chosen = random.Random(7)
    known = sorted(dictionary_words("gcide"))
    words = [chosen.choice(known) if n % 5 else f"x{n}" for n in range(200_000)]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(" ".join(words).replace(" x1", "\nx1").encode() + b" broken\xff act")
    return path


@pytest.fixture(scope="module")
def expected(text: Path) -> bytes:
    """The result of the local runner for `text`."""
    finished = run("--input", text, cwd=text.parent)
    assert finished.code == 0, finished.err
    return finished.out


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a Python with apache-beam only, in a folder that BARE_WORKERS may name."""
    given = os.environ.get("BARE_WORKERS")
    folder = Path(given).absolute() if given else tmp_path_factory.mktemp("workers") / "bare"
    return worker_pool.bare_environment(folder)


@pytest.fixture(scope="module")
def prepared(bare: Path) -> Path:
    """The programs of a Python that has, beside apache-beam, what this package needs."""
    folder = bare.parent.with_name("prepared")
    subprocess.run([bare / "python", "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (inherited,) = bare.parent.glob("lib/python*/site-packages")
    (packages / "bare.pth").write_text(f"{inherited}\n")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--no-compile"]
    subprocess.run([*pip, *requirements()], check=True)
    return folder / "bin"


def can_unshare() -> bool:
    """Returns whether this user may give a process file systems of its own."""
    try:
        return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def external(
    python: Path, folder: Path, *, wrapper: Sequence[str] = ()
) -> Iterator[tuple[list[str], int]]:
    """Serves a pool with the Python of the folder `python` inside the ``with`` block.

    Args:
      python: the folder of its programs.
      folder: for its log.
      wrapper: a program, with its arguments, that executes the pool.

    Yields:
      The options of a job with workers of that pool, and the id of the pool's process.
    """
    port = worker_pool.free_port()
    with worker_pool.serving(python, port, folder / "pool.log", wrapper=wrapper) as pid:
        yield ["--environment_type=EXTERNAL", f"--environment_config=localhost:{port}"], pid


@pytest.fixture
def bare_workers(bare: Path, tmp_path: Path) -> Iterator[list[str]]:
    """The options of a job whose workers have apache-beam only."""
    with external(bare, tmp_path) as (options, _):
        yield options


@pytest.fixture
def pool(prepared: Path, tmp_path: Path) -> Iterator[tuple[list[str], int]]:
    """The options of a job whose workers lack nothing but this package, and their pool's id."""
    with external(prepared, tmp_path) as (options, pid):
        nothing = tmp_path / "requirements.txt"
        nothing.touch()
        yield [*options, f"--requirements_file={nothing}"], pid


@pytest.fixture
def prism() -> list[str]:
    """The options of a job on Prism."""
    return ["--runner=PrismRunner", f"--prism_location={programs.prism()}"]


@pytest.fixture
def job_server(bare: Path, tmp_path: Path) -> Iterator[list[str]]:
    """The options of a job on Beam's job server in Python, which has nothing of this project."""
    port = worker_pool.free_port()
    service = "apache_beam.runners.portability.local_job_service_main"
    with (tmp_path / "job_server.log").open("wb") as log:
        process = subprocess.Popen(
            [bare / "python", "-m", service, "-p", str(port)], cwd=bare, stdout=log, stderr=log
        )
    try:
        worker_pool.wait_for(port, process)
        yield [f"--job_endpoint=localhost:{port}"]
    finally:
        worker_pool.end(process)


def has_no_leftovers(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.suffix == ".tmp"]


def test_the_bare_environment_has_nothing_of_this_project(bare: Path) -> None:
    for module in ("transforms", "beam_pipeline", "numba", "english_words"):
        tried = subprocess.run(
            [bare / "python", "-c", f"import {module}"], cwd=bare, capture_output=True
        )
        assert b"ModuleNotFoundError" in tried.stderr


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_prism_gives_the_same_bytes(
    engine: str, prism: list[str], text: Path, expected: bytes, tmp_path: Path
) -> None:
    finished = run("--input", text, "--engine", engine, *prism, cwd=tmp_path)
    assert (finished.code, finished.out) == (0, expected), finished.err
    assert "PrismRunner" in finished.err


def test_prism_with_bare_workers_gives_the_same_bytes(
    prism: list[str], bare_workers: list[str], text: Path, expected: bytes, tmp_path: Path
) -> None:
    finished = run("--input", text, "--output=r.json", *prism, *bare_workers, cwd=tmp_path)
    assert finished.code == 0, finished.err
    assert (tmp_path / "r.json").read_bytes() == expected
    assert has_no_leftovers(tmp_path)


@pytest.mark.parametrize(
    "client",
    [
        ["--runner=PortableRunner", "--engine=vectorized"],
        # Flink's client, with options for Flink; the job server runs the job without Flink.
        ["--runner=FlinkRunner", "--engine=elementwise", "--number_of_execution_retries=3"],
    ],
    ids=["PortableRunner", "the client of FlinkRunner"],
)
def test_a_job_server_gives_the_same_shards(
    client: list[str],
    job_server: list[str],
    pool: tuple[list[str], int],
    text: Path,
    tmp_path: Path,
) -> None:
    job = ("--input", text, "--num_shards=3")
    local = run(*job, "--output=local.csv", cwd=tmp_path)
    remote = run(*job, "--output=remote.csv", *client, *job_server, *pool[0], cwd=tmp_path)
    assert (local.code, remote.code) == (0, 0), remote.err
    for shard in ("00000-of-00003", "00001-of-00003", "00002-of-00003"):
        expected, found = (tmp_path / f"{name}.csv-{shard}" for name in ("local", "remote"))
        assert found.read_bytes() == expected.read_bytes()
    assert has_no_leftovers(tmp_path)


def test_a_failing_job_is_one_line_and_publishes_nothing(
    prism: list[str], text: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text("old")
    options = ("--encoding_errors=strict", "--output=r.json")
    finished = run("--input", text, *options, *prism, cwd=tmp_path)
    assert_one_line_error(finished, text, "not valid utf-8", code=FAILED)
    assert (tmp_path / "r.json").read_text() == "old"
    assert has_no_leftovers(tmp_path)


@pytest.mark.skipif(not can_unshare(), reason="needs the right to make a mount namespace")
def test_workers_with_another_folder_at_that_path_fail_the_run(
    prism: list[str], prepared: Path, tmp_path: Path
) -> None:
    seen, other = tmp_path / "texts", tmp_path / "other"
    for folder, names in ((seen, "abc"), (other, "a")):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("cat act\n")
    mount = ["unshare", "-m", "sh", "-c", f'mount --bind "{other}" "{seen}" && exec "$@"', "sh"]
    with external(prepared, tmp_path, wrapper=mount) as (options, _):
        nothing = tmp_path / "requirements.txt"
        nothing.touch()
        job = ("--input=texts", "--output=r.json", f"--requirements_file={nothing}")
        finished = run(*job, *prism, *options, cwd=tmp_path)
    difference = "the workers find 1 file of 8 bytes there, and this program found 3 files of 24"
    assert_one_line_error(finished, f"--input={seen}: {difference}", code=FAILED)
    assert not (tmp_path / "r.json").exists()


def test_workers_run_the_code_that_was_staged(
    prism: list[str], pool: tuple[list[str], int], text: Path, tmp_path: Path
) -> None:
    """A traceback shows where the code is that failed."""
    options = ("--encoding_errors=strict", "--output=r.json", "--verbose")
    finished = run("--input", text, *options, *prism, *pool[0], cwd=tmp_path)
    assert finished.code == FAILED
    assert "/beam-worker-" in finished.err
    assert "site-packages/transforms/" in finished.err
    assert list(tmp_path.glob("*r.json*")) == []


def test_a_killed_worker_never_makes_a_wrong_result(
    prism: list[str],
    pool: tuple[list[str], int],
    text: Path,
    expected: bytes,
    tmp_path: Path,
) -> None:
    """Its pool starts it again; Prism gives up a job whose worker was at work."""
    job = subprocess.Popen(
        [*COMMAND, "--input", str(text), "--output=r.json", *prism, *pool[0]],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _worker_of(pool[1], job).kill()
    out, err = job.communicate(timeout=GIVE_UP)
    if job.returncode == 0:
        assert (tmp_path / "r.json").read_bytes() == expected
    else:
        assert_one_line_error(Finished(job.returncode, out, err.decode()), code=FAILED)
        assert not (tmp_path / "r.json").exists()
    assert has_no_leftovers(tmp_path)


def test_a_stopped_run_takes_its_runner_with_it(
    prism: list[str], pool: tuple[list[str], int], text: Path, tmp_path: Path
) -> None:
    job = psutil.Popen(
        [*COMMAND, "--input", str(text), "--output=r.json", *prism, *pool[0]],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
    )
    _worker_of(pool[1], job)
    children = job.children(recursive=True)
    assert "prism" in [child.name() for child in children]
    job.terminate()
    _, err = job.communicate(timeout=GIVE_UP)
    assert (job.returncode, err) == (143, b"error: interrupted; nothing was published\n")
    assert psutil.wait_procs(children, timeout=GIVE_UP)[1] == []
    assert not (tmp_path / "r.json").exists()
    assert has_no_leftovers(tmp_path)


def _worker_of(pool: int, job: "subprocess.Popen[bytes] | psutil.Popen") -> psutil.Process:
    """Waits until the pool has a worker; returns the process that runs this project's code."""
    deadline = time.monotonic() + GIVE_UP
    while time.monotonic() < deadline and job.poll() is None:
        for child in psutil.Process(pool).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "apache_beam.runners.worker.sdk_worker_main" in child.cmdline():
                    return child
        time.sleep(0.05)
    raise AssertionError("no worker was started")
