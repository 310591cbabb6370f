"""A real Flink cluster on the loopback interface, from published packages and without containers.

    mvn -B -f resources/job_servers -P flink package   makes Beam's job server
    python -m tests.support.flink_cluster up FOLDER     starts the cluster
    python -m tests.support.flink_cluster down FOLDER   ends it, by the ids of its processes

The cluster has a JobManager, two TaskManagers, one worker pool and a job server for all jobs.
Everything is in FOLDER:
Flink's jars, its configuration, logs, the pool's environment, and the process ids in
``cluster.json``. It needs Java 17 and pip.

Workers are prepared: the pool has this package and what it requires, as a container would, and
jobs stage nothing (``--staging=none``). Two things keep a job from starting new workers for each of
its stages. Flink has Beam's classes in its own class path: when only the job brings them, Flink
ends the workers with each stage, whatever ``--environment_cache_millis`` says. And that time is
longer than stages are apart, but shorter than Flink waits before it restarts a job: a restarted
job must not get the worker whose death was the reason.

An EXTERNAL environment names one address for all TaskManagers, "localhost" as each of them sees
it. On one machine that is one pool, which starts a worker of its own for each TaskManager.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from beam_pipeline.runners.staging import build_wheel, requirements
from tests.support import worker_pool
from tests.support.cli import GIVE_UP, ROOT

#: Of the newest series for which Beam's libraries are available, see resources/job_servers.
FLINK = "1.19.3"
#: Flink's version as Beam names it in its job server and in ``--flink_version``.
FLINK_SERIES = FLINK.rpartition(".")[0]
TASK_MANAGERS = 2
#: How long a TaskManager keeps the workers of a job that it has no work for.
CACHE_MILLIS = 3000
#: How long Flink waits before it restarts a job, which then gets new workers.
RESTART_DELAY_MILLIS = 5000
#: What a Flink cluster needs for these jobs, wherever it runs.
SETTINGS: Mapping[str, int | str] = {
    "taskmanager.numberOfTaskSlots": 1,
    # Beam sends workers what was staged from direct memory, without waiting for them.
    "taskmanager.memory.task.off-heap.size": "512m",
    "classloader.resolve-order": "parent-first",
    # A lost TaskManager is noticed within seconds, and its job is restarted. A stream needs all its
    # slots: until there is another TaskManager, which may take two minutes, each attempt fails.
    "heartbeat.interval": 2000,
    "heartbeat.timeout": 10_000,
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": 30,
    "restart-strategy.fixed-delay.delay": f"{RESTART_DELAY_MILLIS} ms",
}
JOB_SERVER = ROOT / "resources" / "job_servers" / "target" / "flink-job-server.jar"
_ENTRY = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_PARAMETERS = "org.apache.flink.runtime.util.bash.BashJavaUtils"
# The packages of Java 17 that Flink and its serializers access.
_OPENED = ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "text", "time", "util")
_OPENED_UTIL = ("concurrent", "concurrent.atomic", "concurrent.locks")
_OPENS = [
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENED),
    *(f"--add-opens=java.base/java.util.{package}=ALL-UNNAMED" for package in _OPENED_UTIL),
]
_LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c{1} %m%n
"""


@dataclass
class FlinkCluster:
    """A cluster, whether it runs or not.

    Attributes:
      folder: where all its files are.
      rest_port: of Flink's REST API, on the loopback interface.
      pool_port: of the worker pool.
      job_port: of the job server.
    """

    folder: Path
    rest_port: int = 8081
    pool_port: int = 50000
    job_port: int = 8099

    @property
    def options(self) -> list[str]:
        """The options of a job on this cluster, with the job server that is kept."""
        return [f"--job_endpoint=localhost:{self.job_port}", *self._common_options]

    @property
    def options_of_own_server(self) -> list[str]:
        """The options of a job on this cluster that starts a job server of its own."""
        return [
            f"--flink_job_server_jar={JOB_SERVER}",
            f"--flink_version={FLINK_SERIES}",
            f"--artifacts_dir={self.folder / 'artifacts'}",
            *self._common_options,
        ]

    @property
    def _common_options(self) -> list[str]:
        return [
            "--runner=FlinkRunner",
            f"--flink_master=127.0.0.1:{self.rest_port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{self.pool_port}",
            f"--parallelism={TASK_MANAGERS}",
            "--staging=none",
            f"--environment_cache_millis={CACHE_MILLIS}",
        ]

    def up(self) -> None:
        """Starts what does not run yet, and waits until all of it answers.

        Raises:
          RuntimeError: a port is in use, or a part has ended, or does not answer; its log is in the
            folder.
        """
        self._check_ports()
        if shutil.which("java") is None:
            raise RuntimeError("needs Java 17 on PATH")
        if not JOB_SERVER.exists():
            raise RuntimeError(f"no {JOB_SERVER}: mvn -B -f resources/job_servers -P flink package")
        _unpack_flink(self.folder)
        self._install_package(
            worker_pool.bare_environment(self.folder / "workers", *requirements("kafka"))
        )
        self._write_configuration()
        self._start("job_manager", self._java("-Xmx512m", _ENTRY))
        for number in range(1, TASK_MANAGERS + 1):
            self.start_task_manager(number)
        self.start_worker_pool()
        self.start_job_server()
        self.wait_for_task_managers(TASK_MANAGERS)

    def _check_ports(self) -> None:
        ports = {
            "job_manager": self.rest_port,
            "worker_pool": self.pool_port,
            "job_server": self.job_port,
        }
        for name, port in ports.items():
            if not _is_ours(self.processes().get(name), name):
                with contextlib.suppress(OSError):
                    socket.create_connection(("localhost", port), 1).close()
                    raise RuntimeError(f"port {port} of the {name} is in use by another program")

    def _install_package(self, programs: Path) -> None:
        """Installs this package as it is now."""
        wheel = build_wheel(str(self.folder))
        pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
        subprocess.run([*pip, "--force-reinstall", str(wheel)], check=True)

    def start_worker_pool(self) -> None:
        """Starts the pool, unless it runs."""
        command = worker_pool.command(self.folder / "workers" / "bin", self.pool_port)
        self._start("worker_pool", command, worker_pool.pool_environment())

    def start_job_server(self) -> None:
        """Starts Beam's job server, unless it runs, and waits until it can be reached."""
        ports = (f"--job-port={self.job_port}", "--artifact-port=0", "--expansion-port=0")
        places = (
            f"--flink-master=127.0.0.1:{self.rest_port}",
            f"--artifacts-dir={self.folder / 'artifacts'}",
        )
        self._start("job_server", ["java", "-Xmx512m", "-jar", str(JOB_SERVER), *ports, *places])

        def answers() -> bool:
            if not _is_ours(self.processes().get("job_server"), "job_server"):
                raise RuntimeError(f"the job server has ended; see the logs in {self.folder}")
            socket.create_connection(("localhost", self.job_port), 1).close()
            return True

        _wait(answers, f"the job server; see the logs in {self.folder}")

    def start_task_manager(self, number: int) -> None:
        """Starts one TaskManager, which finds the JobManager by itself."""
        jvm, settings = self._memory_parameters()
        options = ["-D", f"taskmanager.resource-id=task-manager-{number}", *settings.split()]
        command = self._java(*jvm.split(), _TASK_MANAGER)
        self._start(f"task_manager_{number}", [*command, *options])

    def kill_task_manager(self, number: int) -> None:
        """Ends one TaskManager at once, as a machine that fails does."""
        os.kill(self.processes()[f"task_manager_{number}"], signal.SIGKILL)

    def wait_for_task_managers(self, number: int) -> None:
        """Waits until the JobManager knows exactly `number` TaskManagers, each with its slot."""

        def known() -> bool:
            if not _is_ours(self.processes().get("job_manager"), "job_manager"):
                raise RuntimeError(f"the JobManager has ended; see the logs in {self.folder}")
            overview = self.rest("overview")
            return bool(overview["taskmanagers"] == overview["slots-total"] == number)

        _wait(known, f"{number} TaskManagers; see the logs in {self.folder}")

    def rest(self, path: str) -> Any:
        """Returns what Flink's REST API answers."""
        address = f"http://127.0.0.1:{self.rest_port}/{path}"
        with urllib.request.urlopen(address, timeout=GIVE_UP) as response:
            return json.load(response)

    def processes(self) -> dict[str, int]:
        """Returns the ids of the cluster's processes, by the names of its parts."""
        with contextlib.suppress(FileNotFoundError):
            listed: dict[str, int] = json.loads((self.folder / "cluster.json").read_text())
            return listed
        return {}

    def workers(self) -> list[psutil.Process]:
        """Returns the Python workers of the pool, the newest last."""
        pool = psutil.Process(self.processes()["worker_pool"])
        found = [
            child for child in pool.children() if "sdk_worker_main" in " ".join(child.cmdline())
        ]
        return sorted(found, key=psutil.Process.create_time)

    def down(self) -> None:
        """Ends all processes that `up` has started, and no others."""
        running = {name: pid for name, pid in self.processes().items() if _is_ours(pid, name)}
        for pid in running.values():
            os.kill(pid, signal.SIGTERM)
        for name, pid in running.items():
            has_ended = functools.partial(_has_ended, pid, name)
            with contextlib.suppress(RuntimeError):
                _wait(has_ended, f"the end of {name}", seconds=60)
            if not has_ended():
                os.kill(pid, signal.SIGKILL)
                _wait(has_ended, f"the end of {name}")
        (self.folder / "cluster.json").unlink(missing_ok=True)

    def _start(
        self, name: str, command: Sequence[str], environment: dict[str, str] | None = None
    ) -> None:
        processes = self.processes()
        if _is_ours(processes.get(name), name):
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**(environment or os.environ), _MARK: name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        listed = {**processes, name: process.pid}
        (self.folder / "cluster.json").write_text(json.dumps(listed, indent=2) + "\n")

    def _java(self, *arguments: str, class_path: str = f"flink/lib/*:{JOB_SERVER}") -> list[str]:
        *flags, main = arguments
        log = f"-Dlog4j.configurationFile=file:{self.folder}/conf/log4j.properties"
        java = ["java", *flags, *_OPENS, log, "-cp", class_path, main]
        return [*java, "--configDir", str(self.folder / "conf")]

    def _memory_parameters(self) -> tuple[str, str]:
        """Returns the JVM's flags and Flink's settings that follow from a TaskManager's memory."""
        command = self._java(_PARAMETERS, class_path="flink/bin/bash-java-utils.jar:flink/lib/*")
        command.insert(command.index("--configDir"), "GET_TM_RESOURCE_PARAMS")
        printed = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout
        jvm, settings = re.findall(r"BASH_JAVA_UTILS_EXEC_RESULT:(.*)", printed)
        return jvm, settings

    def _write_configuration(self) -> None:
        conf = self.folder / "conf"
        conf.mkdir(exist_ok=True)
        (self.folder / "tmp").mkdir(exist_ok=True)
        (conf / "log4j.properties").write_text(_LOG4J)
        settings = {
            **SETTINGS,
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.rpc.port": worker_pool.free_port(),
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.memory.process.size": "1024m",
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.memory.process.size": "2g",
            # By default it is one folder for all clusters of this machine.
            "io.tmp.dirs": str(self.folder / "tmp"),
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self.rest_port,
            # The answers of the REST API may be this old, in milliseconds.
            "web.refresh-interval": 200,
        }
        if not _is_ours(self.processes().get("job_manager"), "job_manager"):
            lines = "".join(f"{name}: {value}\n" for name, value in settings.items())
            (conf / "config.yaml").write_text(lines)


# An environment variable of the cluster's processes. It tells them from another process that has
# been given the same id since.
_MARK = "ANAGRAMS_CLUSTER_PART"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[FlinkCluster]:
    """A cluster of its own ports inside the ``with`` block; its files are in `folder`."""
    cluster = FlinkCluster(folder, *(worker_pool.free_port() for _ in range(3)))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


def _is_ours(pid: int | None, name: str) -> bool:
    """Returns whether process `pid` lives and is this part of a cluster."""
    if pid is None:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # it may be a child of this process
    try:
        return f"{_MARK}={name}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _has_ended(pid: int, name: str) -> bool:
    return not _is_ours(pid, name)


def _unpack_flink(folder: Path) -> None:
    """Puts Flink's jars, which its package for Python contains, into `folder`."""
    if (folder / "flink" / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, f"apache-flink-libraries=={FLINK}"], check=True)
    (package,) = folder.glob("apache-flink-libraries-*.tar.gz")
    wanted = re.compile(r".*/deps/((?:lib/(?:flink-dist|log4j).*|bin/bash-java-utils)\.jar)$")
    with tarfile.open(package) as archive:
        for member in archive:
            if found := wanted.match(member.name):
                jar = folder / "flink" / found[1]
                jar.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None, f"{member.name} is no file"
                with content, jar.open("wb") as file:
                    shutil.copyfileobj(content, file)
    package.unlink()
    (folder / "flink" / "complete").touch()


def _wait(done: Callable[[], bool], what: str, *, seconds: float = GIVE_UP) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if done():
                return
        time.sleep(0.3)
    raise RuntimeError(f"waited {seconds:.0f} s for {what}")


def main(arguments: Sequence[str]) -> None:
    """Starts or ends a cluster."""
    verb, folder = arguments
    cluster = FlinkCluster(Path(folder).absolute())
    if verb == "down":
        cluster.down()
        return
    cluster.up()
    print("runs; add to python -m beam_pipeline:", *cluster.options, sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1:])
