"""Measures how long a run takes to read from a store, beside the store's own client.

    python -m tests.support.store_speed s3
    python -m tests.support.store_speed gcs --files 500 --megabytes 50 --iterations 5

starts a server, puts small files and a large one into it, and counts their words; in turn, the
store's client only downloads the same files. The servers are programs in Python that need longer
for an answer than anything else does: look at the number of requests and the processor time first.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from beam_pipeline.flags import whole_number
from tests.support.cli import COMMAND, environment
from tests.support.stores import BUCKET, STORES, Store, serving

_TEXT = b"The cat sat on the mat; an act, a tac! Listen, silent: enlist.\n" * 16


class Measured(NamedTuple):
    """What one run took: seconds, seconds of processor time, and requests."""

    seconds: float
    cpu_seconds: float
    requests: int


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.store_speed")
    parser.add_argument("store", choices=sorted(_DOWNLOADS))
    parser.add_argument("--files", type=whole_number(1), default=2000, help="small ones")
    parser.add_argument("--megabytes", type=whole_number(1), default=200, help="of the large one")
    parser.add_argument("--iterations", type=whole_number(1), default=3)
    parser.add_argument("--download", nargs=2, metavar=("PORT", "PREFIX"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.download:
        port, prefix = options.download
        print(_DOWNLOADS[options.store](int(port), prefix))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(STORES[options.store](Path(folder))) as store,
    ):
        for number in range(options.files):
            store.put(f"small/{number % 20:02d}/{number:05d}.txt", _TEXT)
        store.put("large/a.txt", _TEXT * (options.megabytes * 1_000_000 // len(_TEXT)))
        print("| files | what | seconds | CPU seconds | requests | seconds by the client's |")
        print("| --- | --- | --- | --- | --- | --- |")
        for prefix in ("small/", "large/"):
            for line in _rows(options.store, store, prefix, options.iterations):
                print(line, flush=True)


def _rows(name: str, store: Store, prefix: str, iterations: int) -> Iterator[str]:
    kinds: dict[str, Callable[[], Measured]] = {
        "the client's download": lambda: _download(name, store, prefix),
        "this project": lambda: _count(store, prefix),
    }
    runs: dict[str, list[Measured]] = {kind: [] for kind in kinds}
    for _ in range(iterations):
        for kind, measure in kinds.items():
            runs[kind].append(measure())
    base = statistics.median(run.seconds for run in runs["the client's download"])
    for kind, measured in runs.items():
        seconds, cpu, requests = (statistics.median(each) for each in zip(*measured, strict=True))
        ratio = f"{seconds / base:.2f}"
        yield f"| {prefix} | {kind} | {seconds:.1f} | {cpu:.1f} | {requests:,.0f} | {ratio} |"


def _download(name: str, store: Store, prefix: str) -> Measured:
    module = [sys.executable, "-m", "tests.support.store_speed", name]
    return _measured(
        [*module, "--download", str(store.port), prefix], store, lambda printed: int(printed)
    )


def _count(store: Store, prefix: str) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        arguments = [f"--input={store.root}/{prefix}", f"--output={folder}/counts.json"]
        return _measured(
            [*COMMAND, *arguments, f"--report={report}", *store.options()],
            store,
            lambda _: int(json.loads(report.read_text())["metrics"]["store_requests"]),
        )


def _measured(command: Sequence[str], store: Store, requests: Callable[[str], int]) -> Measured:
    before, began = _cpu_seconds(), time.monotonic()
    finished = subprocess.run(
        command, env=environment(**store.environment()), check=True, capture_output=True, text=True
    )
    seconds = time.monotonic() - began
    return Measured(seconds, _cpu_seconds() - before, requests(finished.stdout))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _download_s3(port: int, prefix: str) -> int:
    import boto3

    requests: list[str] = []
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="me",
        aws_secret_access_key="hush",
    )
    client.meta.events.register("before-send.s3", lambda request, **_: requests.append(request.url))
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for found in page["Contents"]:
            if found["Size"] > 8 << 20:
                with tempfile.NamedTemporaryFile() as file:
                    client.download_file(BUCKET, found["Key"], file.name)
            else:
                client.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
    return len(requests)


def _download_gcs(port: int, prefix: str) -> int:
    import google.cloud.storage as storage

    requests: list[str] = []
    client = storage.Client.create_anonymous_client()

    def note(answer: Any, **_: Any) -> None:
        requests.append(answer.url)

    client._http.hooks["response"].append(note)
    for blob in client.list_blobs(BUCKET, prefix=prefix):
        blob.download_as_bytes()
    return len(requests)


_DOWNLOADS: dict[str, Callable[[int, str], int]] = {"gcs": _download_gcs, "s3": _download_s3}


if __name__ == "__main__":
    main()
