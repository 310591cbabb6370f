"""Runs a Kafka broker of published packages on this machine, until Ctrl-C.

    mvn -B -f resources/streams package
    python resources/streams/kafka_broker.py [--port 9092] [--folder FOLDER]

One process, broker and controller in one, that listens at localhost only and keeps its messages in
a folder; started with the same folder again, it has them still. Needs Java 17.
"""

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

_LIBRARIES = Path(__file__).resolve().parent / "target" / "kafka"
_SETTINGS = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


def command(folder: Path, port: int) -> list[str]:
    """Returns the command that runs the broker, for which it prepares a folder.

    Args:
      folder: for settings and messages; one that has been prepared stays as it is.
      port: where the broker listens. A prepared folder has its own.
    """
    settings = folder / "server.properties"
    java = ["java", "-Xmx256m", "-cp", f"{_LIBRARIES}/*"]
    if not settings.exists():
        folder.mkdir(parents=True, exist_ok=True)
        text = _SETTINGS.format(port=port, controller_port=_free_port(), folder=folder)
        unfinished = settings.with_suffix(".new")
        unfinished.write_text(text)
        format_once = [*java, "kafka.tools.StorageTool", "format"]
        cluster = uuid.uuid4().hex[:22]
        subprocess.run(
            [*format_once, "--cluster-id", cluster, "--config", str(unfinished)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        unfinished.rename(settings)
    return [*java, "kafka.Kafka", str(settings)]


def is_installed() -> bool:
    """Returns whether there is what a broker needs."""
    return _LIBRARIES.is_dir() and shutil.which("java") is not None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _is_served(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Runs a Kafka broker until Ctrl-C.")
    parser.add_argument("--port", type=int, default=9092, help="default: 9092")
    parser.add_argument("--folder", type=Path, default=Path("kafka-data"), help="for its messages")
    options = parser.parse_args(argv)
    if _is_served(options.port):
        sys.exit(f"port {options.port} is in use by another program; give another --port")
    if not is_installed():
        sys.exit("needs Java 17 and: mvn -B -f resources/streams package")
    runs = command(options.folder.absolute(), options.port)
    print(f"Kafka starts at localhost:{options.port}, messages in {options.folder}")
    sys.stdout.flush()
    os.execvp(runs[0], runs)


if __name__ == "__main__":
    main(sys.argv[1:])
