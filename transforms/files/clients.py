"""Adapts Beam's clients of object stores and HDFS to this program.

Beam creates a new client, with its own connection, for each operation on a file, and retries failed
operations up to seven times, with pauses of five seconds and more. Most of the libraries that it
uses retry as well. That takes long if a server cannot be reached or a password is wrong, and
`transforms.stages.retry` can neither count nor limit it. Inside `own_clients` a thread has one
client of each kind, which makes one attempt.

Everything here depends on undocumented details of Beam 2.77; tests with real servers fail when an
upgrade changes them. Outside of `own_clients` Beam's clients behave as usual: each change checks
whether its thread is inside.
"""

import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from apache_beam.utils import retry

from transforms.stages import traffic

# A request fails if nothing has been received for this many seconds.
_TIMEOUT = 60.0


class _Scope(threading.local):
    """The state of a thread: its nesting of `own_clients`, and its clients.

    Attributes:
      depth: how many times it has entered `own_clients` and not left.
      clients: the clients by kind, with the options that they were made with.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.clients: dict[str, tuple[Any, str, Any]] = {}


_SCOPE = _Scope()
_ADAPTED: set[str] = set()
_ADAPTING = threading.Lock()


class _OwnClients(contextlib.AbstractContextManager[None]):
    def __enter__(self) -> None:
        _adapt()
        _SCOPE.depth += 1

    def __exit__(self, *_: object) -> None:
        _SCOPE.depth -= 1


_OWN_CLIENTS = _OwnClients()


def own_clients() -> contextlib.AbstractContextManager[None]:
    """Inside, Beam's filesystems use clients of this thread, which make one attempt."""
    return _OWN_CLIENTS  # one instance, because it is entered for each read of each file


def this_thread() -> Any:
    """Returns a value for `as_thread`, which identifies this thread."""
    return _SCOPE.clients, traffic.of_thread()


@contextlib.contextmanager
def as_thread(thread: Any) -> Iterator[None]:
    """Inside, this thread uses the clients of another thread, for which it works.

    Args:
      thread: the result of `this_thread` in that thread. Clients can be shared by threads.
    """
    before = _SCOPE.clients
    _SCOPE.clients, counted = thread
    try:
        with traffic.counted_in(counted):
            yield
    finally:
        _SCOPE.clients = before


def _adapt() -> None:
    """Adapts the clients that have been loaded, each once in a process."""
    for module, adapt in _ADAPTERS.items():
        if module not in _ADAPTED and module in sys.modules:
            with _ADAPTING:
                if module not in _ADAPTED:
                    adapt(sys.modules[module])
                    _ADAPTED.add(module)


def _in_scope(instead: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that in the scope calls `instead`, with `original` as first argument."""

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        if _SCOPE.depth:
            return instead(original, *args, **kwargs)
        return original(*args, **kwargs)

    return called


def _cached(kind: str, options: Any, make: Callable[[], Any]) -> Any:
    """Returns the client of this thread; a new one is made when the options have changed."""
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")  # of Google's client
    found = _SCOPE.clients.get(kind)
    if found is None or found[0] is not options or found[1] != emulator:
        found = _SCOPE.clients[kind] = options, emulator, make()
    return found[2]


def _adapt_retries(module: Any) -> None:
    # Replaces the sleep between the attempts of the retry decorator of Beam's clients: the error
    # that is being handled is raised instead.
    module.Clock.sleep = _in_scope(_raise_current, module.Clock.sleep)


def _raise_current(original: Callable[..., Any], *args: Any) -> None:
    error = sys.exc_info()[1]
    if error is not None:
        raise error
    original(*args)


def _adapt_s3(module: Any) -> None:
    def init(original: Callable[..., None], self: Any, options: Any) -> None:
        def make() -> dict[str, Any]:
            original(self, options)
            events = self.client.meta.events
            events.unregister("needs-retry.s3", unique_id="retry-config-s3")
            # The client sends large objects in its own threads.
            counted = traffic.of_thread()
            events.register("before-send.s3", functools.partial(_count_sent_to_s3, counted))
            events.register("response-received.s3", functools.partial(_count_answer_of_s3, counted))
            return dict(vars(self))

        # The wrapped client may be shared, but Beam's attributes beside it belong to one file.
        vars(self).update(_cached("s3", options, make))

    def error_code(original: Callable[..., Any], error: Exception) -> Any:
        # Connection errors have a `response` too, but it is not one.
        return original(error) if getattr(error, "response", None) is not None else None

    module.Client.__init__ = _in_scope(init, module.Client.__init__)
    module.get_http_error_code = _in_scope(error_code, module.get_http_error_code)


def _count_sent_to_s3(counted: traffic.Traffic, request: Any, **_: Any) -> None:
    counted.add(0, 0, _length(request.headers))


def _count_answer_of_s3(
    counted: traffic.Traffic, response_dict: Any, event_name: str, **_: Any
) -> None:
    if response_dict is not None:
        is_head = ".Head" in event_name
        counted.add(1, 0 if is_head else _length(response_dict["headers"]), 0)


def _answer_counter() -> Callable[..., None]:
    """Returns a hook that counts the answers of a `requests` session for this thread.

    The client's own threads, which send or receive parts of large objects, may call it too.
    """
    counted = traffic.of_thread()

    def count(response: Any, *_: Any, **__: Any) -> None:
        request = response.request
        received = 0 if request.method == "HEAD" else _length(response.headers)
        counted.add(1, received, _length(request.headers))

    return count


def _length(headers: Any) -> int:
    length = headers.get("content-length", 0)
    return int(length) if str(length).isdecimal() else 0


def _adapt_gcs(module: Any) -> None:
    from google.api_core.retry import Retry
    from google.cloud.storage.retry import DEFAULT_RETRY

    def init(
        original: Callable[..., None],
        self: Any,
        storage_client: Any = None,
        pipeline_options: Any = None,
    ) -> None:
        if storage_client is None:
            make = functools.partial(_google_client, module, pipeline_options)
            storage_client = _cached("gs", pipeline_options, make)
        original(self, storage_client, pipeline_options)
        self._storage_client_retry = Retry(predicate=_never)

    module.GcsIO.__init__ = _in_scope(init, module.GcsIO.__init__)
    # If Beam sets no policy, Google's library uses this one, which retries for two minutes.
    DEFAULT_RETRY._predicate = _in_scope(_never_again, DEFAULT_RETRY._predicate)


def _google_client(module: Any, options: Any) -> Any:
    """Returns a client; an anonymous one for an emulator, or if the options say so.

    Without credentials, Beam would search for them for half a minute.
    """
    if not isinstance(options, module.PipelineOptions):
        options = module.PipelineOptions.from_dictionary(options or {})
    is_anonymous = (
        bool(os.environ.get("STORAGE_EMULATOR_HOST"))
        or options.view_as(module.GoogleCloudOptions).no_auth
    )
    client = module.create_storage_client(options, use_credentials=not is_anonymous)
    client._http.hooks["response"].append(_answer_counter())
    return client


def _never(error: Exception) -> bool:
    return False


def _never_again(original: Callable[..., bool], error: Exception) -> bool:
    return False


def _adapt_azure(module: Any) -> None:
    def init(
        original: Callable[..., None], self: Any, client: Any = None, pipeline_options: Any = None
    ) -> None:
        def make() -> Any:
            original(self, client, pipeline_options)
            self.client._config.retry_policy.total_retries = 0
            transport = self.client._pipeline._transport
            transport.open()
            transport.session.hooks["response"].append(_answer_counter())
            return self.client

        original(self, client or _cached("azfs", pipeline_options, make), pipeline_options)

    module.BlobStorageIO.__init__ = _in_scope(init, module.BlobStorageIO.__init__)


def _adapt_hdfs(module: Any) -> None:
    def init(original: Callable[..., None], self: Any, pipeline_options: Any) -> None:
        original(self, pipeline_options)
        client = self._hdfs_client
        client._timeout = _TIMEOUT  # by default it waits forever
        client._session.hooks["response"] += [_answer_counter(), _raise_server_error]
        logging.getLogger("hdfs.client").setLevel(logging.CRITICAL)  # the error is reported

    put = module.HdfsUploader.put

    def counted(self: Any, data: Any) -> None:  # data that is sent in chunks has no length header
        put(self, data)
        traffic.of_thread().add(0, 0, memoryview(data).nbytes)

    module.HadoopFileSystem.__init__ = _in_scope(init, module.HadoopFileSystem.__init__)
    module.HdfsUploader.put = counted


def _raise_server_error(response: Any, *args: Any, **kwargs: Any) -> None:
    """Raises an error with the HTTP status, which the client's own error does not have.

    The error is the client's own if the server of HDFS has named a Java exception.
    """
    is_of_hdfs = response.headers.get("content-type", "").startswith("application/json")
    if not is_of_hdfs and (response.status_code >= 500 or response.status_code == 429):
        response.raise_for_status()


_ADAPTERS: dict[str, Callable[[Any], None]] = {
    retry.__name__: _adapt_retries,
    "apache_beam.io.aws.clients.s3.boto3_client": _adapt_s3,
    "apache_beam.io.gcp.gcsio": _adapt_gcs,
    "apache_beam.io.azure.blobstorageio": _adapt_azure,
    "apache_beam.io.hadoopfilesystem": _adapt_hdfs,
}
