"""Jobs on a real Flink cluster, and on Flink and Spark within their job servers.

What is killed while a job runs, and what becomes of it:

| killed | the job |
| --- | --- |
| a Python worker, a TaskManager | is restarted; the result is the same bytes, also of a stream |
| the worker pool | goes on, as its workers do; or one line |
| the job server, the client by Ctrl-C | one line; it is cancelled, and nothing is left behind |
| the client by SIGKILL | goes on, its job server does not; the result is the same bytes |

A stream goes on through all of that, and where another run takes the place of its client.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from beam_pipeline.runners.flink_rest import ENDED
from tests.support import flink_cluster, kafka, programs, worker_pool
from tests.support.cli import (
    COMMAND,
    GIVE_UP,
    Finished,
    assert_one_line_error,
    environment,
    interruptible,
    run,
)
from tests.support.flink_cluster import FLINK, TASK_MANAGERS, FlinkCluster
from tests.support.reference import dictionary_words
from tests.support.window_files import expected_windows, fixed, panes_together, total_of, windows_in
from tests.support.worker_pool import LOOPBACK_ADDRESSES

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster's files are. The environment variable FLINK_CLUSTER names one to keep."""
    given = os.environ.get("FLINK_CLUSTER")
    return Path(given).absolute() if given else tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[FlinkCluster]:
    """A cluster that runs."""
    programs.job_server("flink")
    with flink_cluster.serving(folder) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 MB with every word of GCIDE several times."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    listed = sorted(dictionary_words("gcide"))
    path.write_text("\n".join(" ".join(listed[n:] + listed[:n]) for n in range(9)))
    return path


@pytest.fixture(scope="module")
def expected(text: Path) -> bytes:
    """The result of the local runner."""
    finished = run("--input", text, cwd=text.parent)
    assert finished.code == 0, finished.err
    return finished.out


@pytest.mark.parametrize(("engine", "shards"), [("vectorized", 3), ("elementwise", 1)])
def test_flink_gives_the_same_files(
    engine: str, shards: int, cluster: FlinkCluster, text: Path, tmp_path: Path
) -> None:
    job = ("--input", text, "--output=r.csv", f"--num_shards={shards}")
    files = {}
    for name, options in (("local", ()), ("flink", (f"--engine={engine}", *cluster.options))):
        folder = tmp_path / name
        folder.mkdir()
        finished = run(*job, *options, cwd=folder)
        assert finished.code == 0, finished.err
        files[name] = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(files["local"]) == shards
    assert files["flink"] == files["local"]


def test_a_job_that_fails_on_flink_is_one_line(cluster: FlinkCluster, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"cat \xff")
    job = ("--input=bad.txt", "--encoding_errors=strict", "--output=r.json")
    finished = run(*job, *cluster.options, cwd=tmp_path)
    assert_one_line_error(finished, "bad.txt", "not valid utf-8", code=1)
    assert os.listdir(tmp_path) == ["bad.txt"]


def test_flink_survives_the_loss_of_a_task_manager(
    cluster: FlinkCluster, text: Path, expected: bytes, tmp_path: Path
) -> None:
    retries = ("--number_of_execution_retries=5", "--execution_retry_delay=2000")
    job = ("--input", str(text), "--engine=elementwise", "--output=r.json", *retries)
    process = psutil.Popen([*COMMAND, *job, *cluster.options], cwd=tmp_path, env=environment())
    running = _wait_until_it_reads(cluster, process)
    cluster.kill_task_manager(1)
    cluster.wait_for_task_managers(1)
    cluster.start_task_manager(1)
    assert process.wait(GIVE_UP) == 0
    assert (tmp_path / "r.json").read_bytes() == expected
    failures = cluster.rest(f"jobs/{running}/exceptions")["exceptionHistory"]["entries"]
    assert failures  # otherwise the job had ended before


#: Reading takes a while, so that what is killed is at work.
SLOWLY = "--chaos=filter=0:2"


@pytest.mark.parametrize("engine", ["vectorized", "elementwise"])
def test_flink_survives_the_loss_of_a_python_worker(
    engine: str, cluster: FlinkCluster, text: Path, expected: bytes, tmp_path: Path
) -> None:
    job = ("--input", str(text), f"--engine={engine}", "--output=r.json", SLOWLY)
    process = psutil.Popen([*COMMAND, *job, *cluster.options], cwd=tmp_path, env=environment())
    running = _wait_until_it_reads(cluster, process)
    cluster.workers()[-1].kill()  # others may be of earlier jobs
    assert process.wait(GIVE_UP) == 0
    assert (tmp_path / "r.json").read_bytes() == expected
    assert os.listdir(tmp_path) == ["r.json"]
    assert cluster.rest(f"jobs/{running}/exceptions")["exceptionHistory"]["entries"]


def test_a_killed_pool_leaves_its_workers_at_work(
    cluster: FlinkCluster, text: Path, expected: bytes, tmp_path: Path
) -> None:
    job = ("--input", str(text), "--output=r.json", SLOWLY)
    process = psutil.Popen(
        [*COMMAND, *job, *cluster.options], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    running = _wait_until_it_reads(cluster, process)
    os.kill(cluster.processes()["worker_pool"], signal.SIGKILL)
    _, err = process.communicate(timeout=GIVE_UP)
    cluster.start_worker_pool()
    if process.returncode == 0:
        assert (tmp_path / "r.json").read_bytes() == expected
    else:  # a stage needed new workers
        assert_one_line_error(without_notices(process.returncode, err.decode()), code=1)
        assert _end_of(cluster, running) in ("CANCELED", "FAILED")
        assert os.listdir(tmp_path) == []


def without_notices(code: int, err: str) -> Finished:
    """What a command printed when it ended, after it may have told of restarts."""
    lines = err.splitlines(keepends=True)
    ends = [line for line in lines if not line.startswith("Flink restarts the job: ")]
    return Finished(code, b"", "".join(ends))


def test_a_killed_job_server_is_one_line_and_leaves_nothing_behind(
    cluster: FlinkCluster, text: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text("old")
    job = ("--input", str(text), "--output=r.json", SLOWLY)
    process = psutil.Popen(
        [*COMMAND, *job, *cluster.options], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    running = _wait_until_it_reads(cluster, process)
    os.kill(cluster.processes()["job_server"], signal.SIGKILL)
    _, err = process.communicate(timeout=GIVE_UP)
    cluster.start_job_server()
    finished = without_notices(process.returncode, err.decode())
    assert_one_line_error(finished, "job server has ended", code=1)
    assert _end_of(cluster, running) == "CANCELED"
    assert (tmp_path / "r.json").read_text() == "old"
    assert os.listdir(tmp_path) == ["r.json"]


@pytest.mark.parametrize("server", ["kept", "its own"])
def test_a_job_whose_client_is_killed_publishes_its_result_whole(
    server: str, cluster: FlinkCluster, text: Path, expected: bytes, tmp_path: Path
) -> None:
    """Also where its job server ends with it."""
    (tmp_path / "r.json").write_text("old")
    job = ("--input", str(text), "--output=r.json", SLOWLY)
    options = cluster.options if server == "kept" else cluster.options_of_own_server
    process = psutil.Popen([*COMMAND, *job, *options], cwd=tmp_path, env=environment())
    running = _wait_until_it_reads(cluster, process)
    children = process.children(recursive=True)
    process.kill()
    process.wait()
    _wait_until_ended(children)
    assert _end_of(cluster, running) == "FINISHED"
    assert (tmp_path / "r.json").read_bytes() == expected


@pytest.mark.parametrize(
    ("pool", "options", "reason"),
    [
        (
            "none",
            ("--number_of_execution_retries=2", "--execution_retry_delay=4000"),
            "no worker pool answers where the runner looks for it",
        ),
        ("silent", ("--worker_start_timeout=5",), "Flink waits for a Python worker for 5 s"),
    ],
)
def test_a_pool_that_starts_no_worker_is_one_line(
    pool: str, options: tuple[str, ...], reason: str, cluster: FlinkCluster, tmp_path: Path
) -> None:
    others = [one for one in cluster.options if not one.startswith("--environment_config")]
    before = {job["id"] for job in cluster.rest("jobs")["jobs"]}
    with worker_pool.silent_pool() as port:
        address = f"localhost:{port if pool == 'silent' else worker_pool.free_port()}"
        job = ("--text=cat", "--output=r.json", f"--environment_config={address}")
        finished = run(*job, *others, *options, cwd=tmp_path)
    # Where nobody answers, it restarts the job before it gives up.
    assert ("Flink restarts the job: " in finished.err) == (pool == "none")
    assert_one_line_error(without_notices(finished.code, finished.err), reason, code=1)
    (ended,) = [job for job in cluster.rest("jobs")["jobs"] if job["id"] not in before]
    assert ended["status"] in ENDED
    assert os.listdir(tmp_path) == []


def test_workers_of_another_python_fail_the_job_at_once(
    cluster: FlinkCluster, tmp_path: Path
) -> None:
    options = ("--text=cat", "--output=r.json", "--experiments=submitted_with_python=2.7")
    finished = run(*options, *cluster.options, cwd=tmp_path)
    assert_one_line_error(finished, "a worker of the pool cannot run", "with 2.7", code=1)
    assert os.listdir(tmp_path) == []


#: The earliest message has this time. Brokers remove what is old.
BEGAN = float(int(time.time()) - 3600)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    with kafka.serving(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def lines(broker: kafka.Broker) -> list[bytes]:
    """Every word of GCIDE, in lines, which are messages of four partitions, ten a second."""
    words = sorted(dictionary_words("gcide"))
    lines = [" ".join(words[start : start + 40]).encode() for start in range(0, len(words), 40)]
    broker.make_topic("lines", 4)
    broker.send("lines", lines, 4, times=(BEGAN + number / 10 for number in range(len(lines))))
    return lines


@pytest.mark.parametrize("lateness", [(), ("--allowed_lateness=10",)], ids=["", "lateness"])
def test_a_stream_survives_the_loss_of_each_part_and_counts_nothing_twice(
    lateness: tuple[str, ...],
    cluster: FlinkCluster,
    broker: kafka.Broker,
    lines: list[bytes],
    tmp_path: Path,
) -> None:
    (tmp_path / "lines.txt").write_bytes(b"\n".join(lines))
    batch = run("--input=lines.txt", cwd=tmp_path)
    expected = expected_windows(lines, fixed(5), dictionary_words("gcide"), BEGAN)
    out = tmp_path / "out"
    stream = (
        *(f"--input={broker.url('lines')}", "--window=5", "--output=out"),
        *("--chaos=filter=0:0.02", "--checkpointing_interval=2000", *lateness),
        *cluster.options,
    )

    def begin() -> psutil.Popen:
        command = [*COMMAND, *stream]
        return psutil.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE)

    def wait_for_windows(process: psutil.Popen, number: int) -> None:
        deadline = time.monotonic() + GIVE_UP
        while len(panes_together(out)) < number:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    first = begin()
    wait_for_windows(first, 5)
    (job,) = _running(cluster)
    cluster.workers()[-1].kill()
    wait_for_windows(first, 10)
    first.kill()
    first.wait()
    assert _running(cluster) == [job]  # it outlives its client, until another one takes its place
    second = begin()
    wait_for_windows(second, 20)
    assert cluster.rest(f"jobs/{job}")["state"] == "CANCELED"
    (job,) = _running(cluster)
    cluster.kill_task_manager(1)
    cluster.wait_for_task_managers(1)
    cluster.start_task_manager(1)
    wait_for_windows(second, len(expected))
    second.terminate()
    _, err = second.communicate(timeout=GIVE_UP)
    assert "Flink restarts the job: " in err.decode()
    finished = without_notices(second.returncode, err.decode())
    assert_one_line_error(finished, "interrupted", "out", "same command", code=143)
    assert _end_of(cluster, job) == "CANCELED"
    assert panes_together(out) == expected
    assert total_of(windows_in(out)) == batch.out
    assert not [path for path in out.iterdir() if path.name.endswith((".tmp", ".old"))]


def test_a_stream_that_is_read_up_to_now_ends_on_flink(
    cluster: FlinkCluster, broker: kafka.Broker, lines: list[bytes], tmp_path: Path
) -> None:
    read = f"--input={broker.url('lines', 'until=now')}"
    finished = run(read, "--window=60", "--output=out", *cluster.options, cwd=tmp_path)
    assert finished.code == 0, finished.err
    expected = expected_windows(lines, fixed(60), dictionary_words("gcide"), BEGAN)
    assert windows_in(tmp_path / "out") == expected


def _running(cluster: FlinkCluster) -> list[str]:
    """Returns the ids of the jobs that have not ended."""
    return [job["id"] for job in cluster.rest("jobs")["jobs"] if job["status"] not in ENDED]


def _end_of(cluster: FlinkCluster, job: str) -> str:
    """Waits until a job has ended; returns the state in which it has."""
    deadline = time.monotonic() + GIVE_UP
    while (state := cluster.rest(f"jobs/{job}")["state"]) not in ENDED:
        assert time.monotonic() < deadline, state
        time.sleep(0.3)
    return str(state)


@pytest.mark.parametrize("server", ["kept", "its own"])
def test_a_stopped_run_leaves_no_job_behind(
    server: str, cluster: FlinkCluster, text: Path, tmp_path: Path
) -> None:
    """With Ctrl-C, which reaches its job server too: that can no longer cancel the job."""
    (tmp_path / "r.json").write_text("old")
    job = ("--input", str(text), "--engine=elementwise", "--output=r.json")
    options = cluster.options if server == "kept" else cluster.options_of_own_server
    with interruptible():
        process = psutil.Popen(
            [*COMMAND, *job, *options],
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    running = _wait_until_it_reads(cluster, process)
    children = process.children(recursive=True)
    assert any(child.name() == "java" for child in children) == (server == "its own")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=GIVE_UP)
    assert (process.returncode, err) == (130, b"error: interrupted; nothing was published\n")
    assert psutil.wait_procs(children, timeout=GIVE_UP)[1] == []
    assert _end_of(cluster, running) == "CANCELED"
    assert (tmp_path / "r.json").read_text() == "old"
    assert os.listdir(tmp_path) == ["r.json"]


def _wait_until_it_reads(cluster: FlinkCluster, process: psutil.Popen) -> str:
    """Waits until the job's tasks read the text, or just have; returns the job's id at Flink."""
    deadline = time.monotonic() + GIVE_UP
    while time.monotonic() < deadline and process.poll() is None:
        for job in cluster.rest("jobs")["jobs"]:
            if job["status"] == "RUNNING":
                tasks = cluster.rest(f"jobs/{job['id']}")["vertices"]
                # Flink's names list the outer transforms; this is where blocks become words.
                reads = [t for t in tasks if {"ReadText", "CountAnagrams"} <= _words(t["name"])]
                # Much is still to be done after that stage.
                if {t["status"] for t in reads} & {"RUNNING", "FINISHED"}:
                    return str(job["id"])
        time.sleep(0.2)
    raise AssertionError(f"the job never ran; exit code {process.poll()}")


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name))


def is_alive(process: psutil.Process) -> bool:
    """Returns whether `process` runs; one that has ended and was not waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_cluster_survives_the_loss_of_a_task_manager_and_can_be_ended(
    cluster: FlinkCluster,
) -> None:
    overview = cluster.rest("overview")
    assert overview["flink-version"] == FLINK
    assert overview["slots-total"] == TASK_MANAGERS
    cluster.kill_task_manager(1)
    cluster.wait_for_task_managers(1)
    cluster.start_task_manager(1)
    cluster.wait_for_task_managers(TASK_MANAGERS)
    started = [psutil.Process(pid) for pid in cluster.processes().values()]
    assert len(started) == 3 + TASK_MANAGERS
    cluster.down()
    assert not [process for process in started if is_alive(process)]
    assert cluster.processes() == {}
    cluster.down()  # has nothing to do


@pytest.mark.parametrize(
    ("runner", "options"),
    [
        ("flink", ["--runner=FlinkRunner", "--flink_master=[local]", "--parallelism=2"]),
        ("spark", ["--runner=SparkRunner", "--spark_master_url=local[2]"]),
    ],
)
def test_a_runner_within_its_job_server_gives_the_same_bytes(
    runner: str, options: list[str], text: Path, expected: bytes, tmp_path: Path
) -> None:
    jar = f"--{runner}_job_server_jar={programs.job_server(runner)}"
    finished = run("--input", text, "--output=r.json", *options, jar, cwd=tmp_path)
    assert finished.code == 0, finished.err
    assert (tmp_path / "r.json").read_bytes() == expected


@pytest.mark.parametrize("runner", ["flink", "spark", "prism"])
def test_a_killed_client_leaves_no_server_of_its_own(
    runner: str, text: Path, tmp_path: Path
) -> None:
    """Nor could anybody but this machine reach what Java served (Prism listens everywhere)."""
    options = {
        "flink": ["--runner=FlinkRunner", "--flink_master=[local]"],
        "spark": ["--runner=SparkRunner", "--spark_master_url=local[2]"],
        "prism": ["--runner=PrismRunner"],
    }[runner]
    if runner == "prism":
        options.append(f"--prism_location={programs.prism()}")
    else:
        options.append(f"--{runner}_job_server_jar={programs.job_server(runner)}")
    job = ("--input", str(text), "--output=r.json", "--engine=elementwise")
    process = psutil.Popen([*COMMAND, *job, *options], cwd=tmp_path, env=environment())
    reached = _wait_until_served(process, 1 if runner == "prism" else 8)
    children = process.children(recursive=True)
    process.kill()
    process.wait()
    _wait_until_ended(children)
    assert reached - LOOPBACK_ADDRESSES == ({"::"} if runner == "prism" else set())


def _wait_until_ended(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + GIVE_UP
    while any(is_alive(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _wait_until_served(process: psutil.Popen, number: int) -> set[str]:
    """Waits until a client and its servers listen at so many ports; returns their addresses."""
    deadline = time.monotonic() + GIVE_UP
    while True:
        assert process.poll() is None and time.monotonic() < deadline
        servers = process.children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            listening = [
                one.laddr
                for server in servers
                for one in server.net_connections("tcp")
                if one.status == psutil.CONN_LISTEN
            ]
            if len(listening) >= number:
                return {address.ip for address in listening}
        time.sleep(0.2)
