"""A real Flink cluster on the loopback interface, from published packages and without containers.

    mvn -B -f resources/job_servers -P flink package   makes Beam's job server
    python -m tests.support.flink_cluster up FOLDER     a JobManager, two TaskManagers, a pool
    python -m tests.support.flink_cluster down FOLDER   ends them, by their process ids

Everything is kept in FOLDER: Flink's jars, its configuration, logs, the pool's environment, and
the process ids in ``cluster.json``. Needs Java 17, pip, and Beam's boot program (see
`tests.support.worker_pool`).

Two things save the start of new workers, seconds for each stage of a job: the pool has what this
package requires, as a container would, and Flink itself has Beam's classes. Of those that only a
job brings, it ends the workers with each stage, whatever ``--environment_cache_millis`` says.

An EXTERNAL environment names one address for all TaskManagers, "localhost" as each of them sees
it: on one machine that is one pool, which starts a worker of its own for each TaskManager.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beam_pipeline.runners.staging import requirements
from tests.support import worker_pool

#: The newest series for which Beam's libraries were to be had, see resources/job_servers.
FLINK = "1.19.3"
#: Flink's version as Beam names it in its job server and in ``--flink_version``.
FLINK_SERIES = FLINK.rpartition(".")[0]
TASK_MANAGERS = 2
JOB_SERVER = worker_pool.ROOT / "resources" / "job_servers" / "target" / "flink-job-server.jar"
_ENTRY = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_PARAMETERS = "org.apache.flink.runtime.util.bash.BashJavaUtils"
# What Flink and its serializers reach into on Java 17.
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
    """The cluster of a folder, whether it runs or not.

    Attributes:
      folder: all its files.
      rest_port, pool_port: where it listens on the loopback interface.
    """

    folder: Path
    rest_port: int = 8081
    pool_port: int = 50000

    @property
    def options(self) -> list[str]:
        """The options of a pipeline that runs on this cluster."""
        return [
            "--runner=FlinkRunner",
            f"--flink_job_server_jar={JOB_SERVER}",
            f"--flink_master=127.0.0.1:{self.rest_port}",
            f"--flink_version={FLINK_SERIES}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{self.pool_port}",
            f"--parallelism={TASK_MANAGERS}",
            f"--artifacts_dir={self.folder / 'artifacts'}",
            f"--requirements_file={self.folder / 'nothing.txt'}",
            "--environment_cache_millis=60000",
        ]

    def up(self) -> None:
        """Starts what does not run yet, and waits until all of it answers.

        Raises:
          RuntimeError: a part has ended, or does not answer in time; its log is in the folder.
        """
        boot = worker_pool.go_program("python/container")
        if boot is None or shutil.which("java") is None:
            raise RuntimeError("needs Java 17 on PATH and Beam's boot program in Go's bin folder")
        if not JOB_SERVER.exists():
            raise RuntimeError(f"no {JOB_SERVER}: mvn -B -f resources/job_servers -P flink package")
        _unpack_flink(self.folder)
        programs = worker_pool.bare_environment(self.folder / "workers", *requirements())
        (self.folder / "nothing.txt").touch()
        self._write_configuration()
        self._start("job_manager", self._java("-Xmx512m", _ENTRY))
        for number in range(1, TASK_MANAGERS + 1):
            self.start_task_manager(number)
        self._start(
            "worker_pool",
            worker_pool.command(programs, self.pool_port),
            worker_pool.pool_environment(programs, boot),
        )
        self.wait_for_task_managers(TASK_MANAGERS)

    def start_task_manager(self, number: int) -> None:
        """Starts one TaskManager, which finds the JobManager by itself."""
        jvm, settings = self._memory_parameters()
        options = ["-D", f"taskmanager.resource-id=task-manager-{number}", *settings.split()]
        command = self._java(*jvm.split(), _TASK_MANAGER)
        self._start(f"task_manager_{number}", [*command, *options])

    def kill_task_manager(self, number: int) -> None:
        """Ends one TaskManager at once, as a machine that fails does."""
        os.kill(self.processes()[f"task_manager_{number}"], signal.SIGKILL)

    def wait_for_task_managers(self, number: int, seconds: float = 90) -> None:
        """Waits until the JobManager knows exactly `number` TaskManagers."""

        def known() -> bool:
            if not _is_ours(self.processes().get("job_manager"), "job_manager"):
                raise RuntimeError(f"the JobManager has ended; see the logs in {self.folder}")
            overview = self.rest("overview")  # each has one slot, which it offers a little later
            return bool(overview["taskmanagers"] == overview["slots-total"] == number)

        _wait(known, seconds, f"{number} TaskManagers; see the logs in {self.folder}")

    def rest(self, path: str) -> Any:
        """What Flink's REST interface answers."""
        address = f"http://127.0.0.1:{self.rest_port}/{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)

    def processes(self) -> dict[str, int]:
        """Part of the cluster -> the id of its process."""
        with contextlib.suppress(FileNotFoundError):
            listed: dict[str, int] = json.loads((self.folder / "cluster.json").read_text())
            return listed
        return {}

    def down(self) -> None:
        """Ends all processes that `up` has started, and nothing else."""
        running = {name: pid for name, pid in self.processes().items() if _is_ours(pid, name)}
        for name, pid in running.items():
            # The pool takes its workers with it only when it is interrupted.
            os.kill(pid, signal.SIGINT if name == "worker_pool" else signal.SIGTERM)
        for name, pid in running.items():
            with contextlib.suppress(RuntimeError):
                _wait_for_end(pid, name, 20)
            if _is_ours(pid, name):
                os.kill(pid, signal.SIGKILL)
                _wait_for_end(pid, name, 10)
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
        """The JVM's flags and Flink's settings that follow from a TaskManager's memory."""
        command = self._java(_PARAMETERS, class_path="flink/bin/bash-java-utils.jar:flink/lib/*")
        command.insert(command.index("--configDir"), "GET_TM_RESOURCE_PARAMS")
        told = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=True, timeout=60
        ).stdout
        jvm, settings = re.findall(r"BASH_JAVA_UTILS_EXEC_RESULT:(.*)", told)
        return jvm, settings

    def _write_configuration(self) -> None:
        conf = self.folder / "conf"
        conf.mkdir(exist_ok=True)
        (conf / "log4j.properties").write_text(_LOG4J)
        settings = {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.rpc.port": worker_pool.free_port(),
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.memory.process.size": "1024m",
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.memory.process.size": "2g",
            # Beam sends workers what was staged out of direct memory, without waiting for them.
            "taskmanager.memory.task.off-heap.size": "512m",
            "taskmanager.numberOfTaskSlots": 1,
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self.rest_port,
            # How old what the REST interface tells may be, in milliseconds.
            "web.refresh-interval": 200,
            # A lost TaskManager is noticed within seconds, and its job begins again.
            "heartbeat.interval": 2000,
            "heartbeat.timeout": 10_000,
            "classloader.resolve-order": "parent-first",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 5,
            "restart-strategy.fixed-delay.delay": "2 s",
        }
        if not _is_ours(self.processes().get("job_manager"), "job_manager"):
            lines = "".join(f"{name}: {value}\n" for name, value in settings.items())
            (conf / "config.yaml").write_text(lines)


# Marks the processes of a cluster, so that a process id that has passed to another is known.
_MARK = "ANAGRAMS_CLUSTER_PART"


def _is_ours(pid: int | None, name: str) -> bool:
    """Whether process `pid` lives and is this part of a cluster."""
    if pid is None:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours, if this process has started it
    try:
        return f"{_MARK}={name}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _wait_for_end(pid: int, name: str, seconds: float) -> None:
    _wait(lambda: not _is_ours(pid, name), seconds, f"the end of {name}")


def _unpack_flink(folder: Path) -> None:
    """Flink's jars, out of its package for Python, into `folder`."""
    if (folder / "flink" / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, f"apache-flink-libraries=={FLINK}"], check=True, timeout=900)
    (package,) = folder.glob("apache-flink-libraries-*.tar.gz")
    wanted = re.compile(r".*/deps/((?:lib/(?:flink-dist|log4j).*|bin/bash-java-utils)\.jar)$")
    with tarfile.open(package) as archive:
        for member in archive:
            if found := wanted.match(member.name):
                jar = folder / "flink" / found[1]
                jar.parent.mkdir(parents=True, exist_ok=True)
                with archive.extractfile(member) as content, jar.open("wb") as file:
                    shutil.copyfileobj(content, file)
    package.unlink()
    (folder / "flink" / "complete").touch()


def _wait(done: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if done():
                return
        time.sleep(0.3)
    raise RuntimeError(f"waited {seconds:.0f} s for {what}")


def main(arguments: Sequence[str]) -> None:
    """Brings a cluster up or takes it down."""
    verb, folder = arguments
    cluster = FlinkCluster(Path(folder).absolute())
    if verb == "down":
        cluster.down()
        return
    cluster.up()
    print("runs; add to python -m beam_pipeline:", *cluster.options, sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1:])
