"""Tells transient errors, which are worth another attempt, from permanent ones.

Each client of a store (S3, Google Cloud Storage, Azure, HDFS) raises its own errors, often wrapped
in others. They are recognized by their attributes, such as an HTTP status, and by the names of
their classes. So no client needs to be imported: if it is not loaded, it has not raised the error.
"""

import datetime
import email.utils
import errno
import http
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from apache_beam.io.filesystem import BeamIOError

from transforms.stages.chaos import InjectedError

# Errors of the operating system that are permanent.
_PERMANENT_ERRNOS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
# The same errors as types, because some have no number.
_PERMANENT_ERRORS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ssl.SSLCertVerificationError,
)
# Statuses of servers that are busy or broken, whatever the request.
_TRANSIENT_STATUSES = {
    http.HTTPStatus.REQUEST_TIMEOUT,
    http.HTTPStatus.TOO_EARLY,
    http.HTTPStatus.TOO_MANY_REQUESTS,
}
_PERMANENT_SERVER_ERRORS = {
    http.HTTPStatus.NOT_IMPLEMENTED,
    http.HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    http.HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
}
# Error codes, with any status, by which services ask to slow down or to try again.
_TRANSIENT_REASONS = {
    # S3
    *("ConditionalRequestConflict", "InternalError", "OperationAborted"),
    *("RequestLimitExceeded", "RequestTimeout"),
    *("ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "503 SlowDown"),
    # Google Cloud Storage
    *("backendError", "internalError", "rateLimitExceeded", "userRateLimitExceeded"),
    # Azure
    *("OperationTimedOut", "ServerBusy"),
    # HDFS: the names of Java's exceptions
    *("AlreadyBeingCreatedException", "ConnectException", "NotReplicatedYetException"),
    *("RecoveryInProgressException", "RetriableException", "SafeModeException"),
    *("SocketTimeoutException", "StandbyException"),
}
# Whether errors without a status are transient, by the package and name of their class or of a base
# class; the first known one in the order of resolution decides.
_IS_TRANSIENT = {
    # A rejected certificate is permanent.
    "botocore.SSLError": False,
    "requests.SSLError": False,
    # Connections that cannot be made, or break, and truncated answers.
    **dict.fromkeys(
        (
            "aiohttp.ClientConnectionError",
            "azure.IncompleteReadError",
            "azure.ServiceRequestError",
            "azure.ServiceResponseError",
            "botocore.ConnectionError",
            "botocore.HTTPClientError",
            "botocore.IncompleteReadError",
            "botocore.ChecksumError",
            "google.DataCorruption",
            "google.TimeoutError",
            "google.TransportError",
            "http.HTTPException",
            "kafka.RetriableError",
            "requests.ChunkedEncodingError",
            "requests.ConnectionError",
            "requests.ContentDecodingError",
            "requests.Timeout",
            "urllib3.IncompleteRead",
            "urllib3.ProtocolError",
            "urllib3.TimeoutError",
        ),
        True,
    ),
    # Any other error of a client is about the request, the settings or the credentials.
    **dict.fromkeys(
        (
            "azure.AzureError",
            "botocore.BotoCoreError",
            "google.GoogleAuthError",
            "kafka.KafkaError",
            "requests.RequestException",
        ),
        False,
    ),
}


def is_transient(error: BaseException) -> bool:
    """Returns whether another attempt may succeed.

    Throttling, server errors, broken connections, names that cannot be resolved, and injected
    faults are transient. Missing files, denied access and bad credentials are permanent, and so are
    errors in the data (that it cannot be decompressed, decoded or parsed).
    """
    if isinstance(error, InjectedError):
        return True
    if isinstance(error, BeamIOError) and not _causes(error):
        return True  # an unknown error
    return all(_is_transient(cause) for cause in root_causes(error))


def is_missing(error: BaseException) -> bool:
    """Returns whether an error means that a file does not exist."""
    return all(
        isinstance(cause, FileNotFoundError)
        or http_status(cause) == http.HTTPStatus.NOT_FOUND
        or "FileNotFoundException" in _reasons(cause)
        for cause in root_causes(error)
    )


def root_causes(error: BaseException) -> Iterator[BaseException]:
    """Yields the original errors: the error itself, or the errors that it only wraps.

    Args:
      error: an error of a filesystem or a client.
    """
    causes = _causes(error)
    if not causes:
        yield error
    for cause in causes:
        yield from root_causes(cause)


def retry_after(error: BaseException) -> float:
    """Returns after how many seconds a server asks to be called again; 0 if it does not.

    Args:
      error: an error of a client that has received the server's answer.
    """
    return max((_retry_after(_headers(cause)) for cause in root_causes(error)), default=0.0)


def http_status(error: BaseException) -> int | None:
    """Returns the HTTP status of the answer that an error is about, or None."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        metadata = response.get("ResponseMetadata")
        response = metadata if isinstance(metadata, Mapping) else {}
        found = [response.get("HTTPStatusCode")]
    else:
        holders = (error, response)
        found = [getattr(each, name, None) for each in holders for name in ("status_code", "code")]
    return next((each for each in found if _is_status(each)), None)


class _StatusError(Exception):
    """An answer of which only the status is known."""

    def __init__(self, status: int):
        super().__init__(f"HTTP status {status}")
        self.code = status


def _causes(error: BaseException) -> list[BaseException]:
    """Returns the errors that an error only wraps, if any."""
    if isinstance(error, BeamIOError):
        details: Any = error.exception_details
        found = details.values() if isinstance(details, Mapping) else [details]
        errors = [_StatusError(each) if isinstance(each, int) else each for each in found]
        return [each for each in errors if isinstance(each, BaseException)]
    name = _name(type(error))
    if name == "google.RetryError":  # after attempts of the client's own
        cause = getattr(error, "cause", None)
        return [cause] if isinstance(cause, BaseException) else []
    if name == "azure.HttpResponseError" and http_status(error) is None:
        # There is no answer: the connection broke while it was read.
        cause = getattr(error, "inner_exception", None)
        return [cause] if isinstance(cause, BaseException) else []
    if name == "apache_beam.S3ClientError":  # has the text of the error that was being handled
        handled, code = error.__cause__ or error.__context__, getattr(error, "code", None)
        if handled is not None and code in (None, http_status(handled)):
            return [handled]
    return []


def _is_transient(error: BaseException) -> bool:
    if not _TRANSIENT_REASONS.isdisjoint(_reasons(error)):
        return True
    if getattr(error, "retryable", None) is True:  # Google's credentials
        return True
    names = map(_name, type(error).__mro__)
    known = next((_IS_TRANSIENT[name] for name in names if name in _IS_TRANSIENT), None)
    if known:
        return True
    if (status := http_status(error)) is not None:
        return _is_transient_status(status)
    if known is not None or isinstance(error, _PERMANENT_ERRORS):
        return False
    return isinstance(error, OSError) and error.errno not in _PERMANENT_ERRNOS


def _is_transient_status(status: int) -> bool:
    is_server_error = status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return status in _TRANSIENT_STATUSES or (
        is_server_error and status not in _PERMANENT_SERVER_ERRORS
    )


def _name(error_type: type) -> str:
    """Returns the package and the name of a class, such as ``botocore.ClientError``."""
    return f"{error_type.__module__.partition('.')[0]}.{error_type.__name__}"


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600


def _reasons(error: BaseException) -> Iterator[str]:
    """Yields the error codes that a service has returned."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        found = response.get("Error")
        yield str(found.get("Code")) if isinstance(found, Mapping) else ""
    for name in ("code", "error_code", "exception"):  # of Beam's S3 client, Azure, HDFS
        value = getattr(error, name, None)
        if isinstance(value, str):
            yield str(getattr(value, "value", value))
    details = getattr(error, "errors", None)  # of Google's
    for detail in details if isinstance(details, list | tuple) else ():
        if isinstance(detail, Mapping):
            yield str(detail.get("reason"))


def _headers(error: BaseException) -> Mapping[str, str]:
    """Returns the headers of the answer that an error is about, with names in lower case."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        metadata = response.get("ResponseMetadata")
        headers = metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None
    else:
        headers = getattr(response, "headers", None)
    if not isinstance(headers, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _retry_after(headers: Mapping[str, str]) -> float:
    for name in ("x-ms-retry-after-ms", "retry-after-ms"):  # Azure's
        if (value := headers.get(name, "")).isdecimal():
            return float(value) / 1000
    value = headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter of years that no date has
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=datetime.timezone.utc)
    return max((then - datetime.datetime.now(datetime.timezone.utc)).total_seconds(), 0.0)
