"""Servers of object stores and of HDFS: real programs, each in a process on the loopback interface.

Where a program is missing, a test that asks for it is skipped; in CI it fails. Files are put and
looked at by plain HTTP, or where requests must be signed by the store's own client, and not by the
code that is tested.
"""

import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tests.support.cli import GIVE_UP, ROOT
from tests.support.programs import missing
from tests.support.worker_pool import free_port, go_program

BUCKET = "bucket"
# Azurite's and the Azure SDK's well-known account for development.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Store(ABC):
    """A server, and the files in it.

    Args:
      folder: for what the server keeps and logs.

    Attributes:
      port: where it listens.
    """

    #: The URL of the folder in which tests work.
    root: ClassVar[str]
    #: The extra of this project that has the client.
    extra: ClassVar[str]
    #: The module of the client.
    client: ClassVar[str]

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def commands(self) -> Iterator[Sequence[str]]:
        """Yields the commands that serve; each is started, and runs on."""

    @abstractmethod
    def options(self, port: int | None = None) -> list[str]:
        """Returns the options with which a run finds the server, or a proxy at another port."""

    def environment(self, port: int | None = None) -> dict[str, str]:
        """Returns the environment variables with which a run finds it."""
        return {}

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Writes the file of this name below `root`."""

    @abstractmethod
    def get(self, name: str) -> bytes:
        """Returns the content of the file of this name below `root`."""

    @abstractmethod
    def names(self) -> set[str]:
        """Returns the names of all files below `root`."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes what is there before the first file, such as a bucket; called until it works."""

    def start(self) -> None:
        for number, command in enumerate(self.commands()):
            with (self.folder / f"server-{number}.log").open("ab") as log:
                self._processes.append(
                    subprocess.Popen(
                        command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
                )
        deadline = time.monotonic() + GIVE_UP
        while True:
            ended = [process for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = [path.read_text()[-2000:] for path in self.folder.glob("server-*.log")]
                raise RuntimeError(f"{type(self).__name__} does not serve: {logs}")
            try:
                self.prepare()
                return
            except Exception:  # each client raises its own
                time.sleep(0.1)

    def kill(self) -> None:
        """Ends the server at once, as a power failure would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send_signal(number)
            process.wait()
        self._processes.clear()


@contextlib.contextmanager
def serving(store: Store) -> Iterator[Store]:
    """The store serves inside the ``with`` block."""
    if importlib.util.find_spec(store.client.partition(".")[0]) is None:
        missing(f"the extra {store.extra}: pip install -e '.[{store.extra}]'")
    try:
        store.start()
        yield store
    finally:
        store.kill()


def _request(method: str, url: str, data: bytes | None = None, **headers: str) -> bytes:
    """Returns the body of an answer.

    Raises:
      OSError: there is no answer, or the server says that something is wrong.
    """
    headers = {"Content-Type": "text/plain", **headers}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=GIVE_UP) as answer:
        return bytes(answer.read())


class S3(Store):
    """moto, which keeps objects in memory. It takes any signature."""

    root, extra, client = f"s3://{BUCKET}", "aws", "boto3"

    def commands(self) -> Iterator[Sequence[str]]:
        program = _program("moto_server", "stores")
        yield [program, "-H", "127.0.0.1", "-p", str(self.port)]

    def options(self, port: int | None = None) -> list[str]:
        return [
            f"--s3_endpoint_url=http://127.0.0.1:{port or self.port}",
            "--s3_region_name=us-east-1",
            "--s3_access_key_id=me",
            "--s3_secret_access_key=hush",
        ]

    def prepare(self) -> None:
        self._signed("PUT", "")

    def put(self, name: str, data: bytes) -> None:
        self._signed("PUT", name, data)

    def get(self, name: str) -> bytes:
        return self._signed("GET", name)

    def names(self) -> set[str]:
        listed = self._signed("GET", "?list-type=2").decode()
        return {key.partition("</Key>")[0] for key in listed.split("<Key>")[1:]}

    def _signed(self, method: str, name: str, data: bytes | None = None) -> bytes:
        url = f"http://127.0.0.1:{self.port}/{BUCKET}/{urllib.parse.quote(name, safe='/?=')}"
        scope = "me/20260101/us-east-1/s3/aws4_request"
        return _request(method, url, data, Authorization=f"AWS4-HMAC-SHA256 Credential={scope}")


class GCS(Store):
    """gcp-storage-emulator, which keeps objects in files."""

    root, extra, client = f"gs://{BUCKET}", "gcp", "google.cloud.storage"

    def commands(self) -> Iterator[Sequence[str]]:
        program = _program("gcp-storage-emulator", "stores")
        yield [
            *(program, "--data-dir", str(self.folder / "objects"), "start"),
            *("--host=127.0.0.1", f"--port={self.port}", f"--default-bucket={BUCKET}"),
        ]

    def options(self, port: int | None = None) -> list[str]:
        return []

    def environment(self, port: int | None = None) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port or self.port}"}

    def prepare(self) -> None:
        self.names()

    def put(self, name: str, data: bytes) -> None:
        import google.cloud.storage as storage

        endpoint = {"api_endpoint": f"http://127.0.0.1:{self.port}"}
        credentials = storage.Client.create_anonymous_client()._credentials
        client = storage.Client(BUCKET, credentials, client_options=endpoint)
        with client.bucket(BUCKET).blob(name).open("wb") as file:  # an empty one, too
            file.write(data)

    def get(self, name: str) -> bytes:
        quoted = urllib.parse.quote(name, safe="")
        return _request("GET", f"{self._url()}/{quoted}?alt=media")

    def names(self) -> set[str]:
        listed = json.loads(_request("GET", self._url()))
        return {item["name"] for item in listed.get("items", ())}

    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}/storage/v1/b/{BUCKET}/o"


class ConditionalGCS(GCS):
    """fake-gcs-server, which honours conditions on generations, as the other one does not."""

    def commands(self) -> Iterator[Sequence[str]]:
        package = "github.com/fsouza/fake-gcs-server"
        program = go_program(package) or missing(f"fake-gcs-server: go install {package}@v1.56.1")
        (self.folder / "objects" / BUCKET).mkdir(parents=True, exist_ok=True)
        yield [
            *(str(program), "-scheme=http", "-host=127.0.0.1", f"-port={self.port}"),
            *("-backend=filesystem", f"-filesystem-root={self.folder / 'objects'}"),
        ]


class Azure(Store):
    """Azurite, which keeps blobs in files."""

    root, extra, client = f"azfs://{_ACCOUNT}/{BUCKET}", "azure", "azure.storage.blob"

    def commands(self) -> Iterator[Sequence[str]]:
        program = ROOT / "resources" / "stores" / "node_modules" / ".bin" / "azurite-blob"
        if not program.exists() or shutil.which("node") is None:
            missing("Azurite: npm install --prefix resources/stores")
        yield [
            *(str(program), "--silent", "--skipApiVersionCheck", "--disableTelemetry"),
            *("--location", str(self.folder), "--blobHost=127.0.0.1", f"--blobPort={self.port}"),
        ]

    def options(self, port: int | None = None) -> list[str]:
        return [f"--azure_connection_string={self.connection(port or self.port)}"]

    def kill(self) -> None:
        """Ends the server: at its own pace, as it has blobs of the last seconds in memory only."""
        self._end(signal.SIGTERM)

    def prepare(self) -> None:
        container = self._container()
        if not container.exists():
            container.create_container()

    def put(self, name: str, data: bytes) -> None:
        self._container().upload_blob(name, data, overwrite=True)

    def get(self, name: str) -> bytes:
        return bytes(self._container().download_blob(name).readall())

    def names(self) -> set[str]:
        return {blob.name for blob in self._container().list_blobs()}

    def connection(self, port: int) -> str:
        """Returns the connection string of the server, or of a proxy at another port."""
        endpoint = f"http://127.0.0.1:{port}/{_ACCOUNT}"
        account = f"AccountName={_ACCOUNT};AccountKey={_KEY}"
        return f"DefaultEndpointsProtocol=http;{account};BlobEndpoint={endpoint};"

    def _container(self) -> Any:
        from azure.storage.blob import BlobServiceClient

        service = BlobServiceClient.from_connection_string(
            self.connection(self.port), retry_total=0
        )
        return service.get_container_client(BUCKET)


class HDFS(Store):
    """Hadoop's NameNode and DataNode."""

    root, extra, client = f"hdfs://{BUCKET}", "hadoop", "hdfs"

    def commands(self) -> Iterator[Sequence[str]]:
        libraries = ROOT / "resources" / "stores" / "target" / "hdfs"
        if shutil.which("java") is None or not libraries.is_dir():
            missing("Java 17 and Hadoop: mvn -B -f resources/stores package")
        self._configure()
        java = ["java", "-Xmx256m", "-cp", f"{self.folder}:{libraries}/*"]
        name_node = [*java, "org.apache.hadoop.hdfs.server.namenode.NameNode"]
        if not (self.folder / "data").exists():
            format_once = [*name_node, "-format", "-nonInteractive"]
            subprocess.run(format_once, cwd=self.folder, check=True, capture_output=True)
        yield name_node
        yield [*java, "org.apache.hadoop.hdfs.server.datanode.DataNode"]

    def _configure(self) -> None:
        if (self.folder / "hdfs-site.xml").exists():
            return  # it is started again
        settings = {
            "fs.defaultFS": f"hdfs://127.0.0.1:{free_port()}",
            "hadoop.tmp.dir": str(self.folder / "data"),
            "dfs.namenode.http-address": f"127.0.0.1:{self.port}",
            "dfs.datanode.address": "127.0.0.1:0",
            "dfs.datanode.http.address": "127.0.0.1:0",
            "dfs.datanode.ipc.address": "127.0.0.1:0",
            "dfs.replication": "1",
            "dfs.permissions.enabled": "false",
        }
        properties = "".join(
            f"<property><name>{name}</name><value>{value}</value></property>"
            for name, value in settings.items()
        )
        for file in ("core-site.xml", "hdfs-site.xml"):
            (self.folder / file).write_text(f"<configuration>{properties}</configuration>")

    def options(self, port: int | None = None) -> list[str]:
        return ["--hdfs_host=127.0.0.1", f"--hdfs_port={port or self.port}", "--hdfs_user=root"]

    def prepare(self) -> None:
        self.put("ready", b"")  # not before there is a DataNode
        _request("DELETE", self._url("ready", "DELETE"))

    def put(self, name: str, data: bytes) -> None:
        host = f"127.0.0.1:{self.port}"
        connection = http.client.HTTPConnection(host, timeout=GIVE_UP)
        with contextlib.closing(connection):
            url = self._url(name, "CREATE") + "&overwrite=true"
            connection.request("PUT", url.partition(host)[2])
            location = connection.getresponse().headers["Location"]
        _request("PUT", location, data)

    def get(self, name: str) -> bytes:
        return _request("GET", self._url(name, "OPEN"))

    def names(self) -> set[str]:
        return set(self._below(""))

    def _below(self, folder: str) -> Iterator[str]:
        try:
            listed = json.loads(_request("GET", self._url(folder, "LISTSTATUS")))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return  # it has been removed meanwhile
        for status in listed["FileStatuses"]["FileStatus"]:
            name = f"{folder}{status['pathSuffix']}"
            if status["type"] == "DIRECTORY":
                yield from self._below(f"{name}/")
            else:
                yield name

    def _url(self, name: str, operation: str) -> str:
        path = f"/webhdfs/v1/{BUCKET}/{urllib.parse.quote(name)}"
        return f"http://127.0.0.1:{self.port}{path}?op={operation}&user.name=root"


#: All kinds of stores.
STORES: Mapping[str, type[Store]] = {"s3": S3, "gcs": GCS, "azure": Azure, "hdfs": HDFS}
#: The same, all of which write under conditions.
CONDITIONAL_STORES: Mapping[str, type[Store]] = {**STORES, "gcs": ConditionalGCS}


def _program(name: str, extra: str) -> str:
    """Returns a program that pip has installed beside Python."""
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        missing(f"{name}: pip install -e '.[{extra}]'")
    return os.fspath(program)
