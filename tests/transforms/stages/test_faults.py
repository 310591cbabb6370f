"""Errors of the clients of stores are told apart by what they mean.

The clients need not be installed: classes of the same names, with the same attributes, stand for
theirs. Tests in tests/beam_pipeline/stores meet the real ones.
"""

import email.utils
import math
import socket
import ssl
import time
from types import SimpleNamespace
from typing import Any

import pytest
from apache_beam.io.filesystem import BeamIOError

from transforms.stages.faults import is_missing, is_transient, retry_after, root_causes
from transforms.stages.retry import Resilience, Retrier, describe


def made(name: str, *bases: type, **attributes: Any) -> Exception:
    """Returns an error of a class of this module and name."""
    module, _, class_name = name.rpartition(".")
    error: Exception = type(class_name, bases or (Exception,), {"__module__": module})("why")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


def client_error(status: int, code: str = "", **headers: str) -> Exception:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    response = {"Error": {"Code": code or str(status)}, "ResponseMetadata": metadata}
    return made("botocore.exceptions.ClientError", response=response)


def s3(cause: Exception, code: object = None) -> Exception:
    error = made("apache_beam.io.aws.clients.s3.messages.S3ClientError", code=code)
    error.__context__ = cause
    return error


def google(status: int, reason: str = "") -> Exception:
    errors = [{"reason": reason}] if reason else []
    return made("google.api_core.exceptions.ServiceUnavailable", code=status, errors=errors)


def azure(status: int, error_code: str = "") -> Exception:
    base = type("AzureError", (Exception,), {"__module__": "azure.core.exceptions"})
    name = "azure.core.exceptions.HttpResponseError"
    return made(name, base, status_code=status, error_code=error_code)


def hdfs(exception: str | None) -> Exception:
    return made("hdfs.util.HdfsError", exception=exception)


KAFKA = type("KafkaError", (Exception,), {"__module__": "kafka.errors"})
KAFKA_RETRIABLE = type("RetriableError", (KAFKA,), {"__module__": "kafka.errors"})
BOTOCORE = type("BotoCoreError", (Exception,), {"__module__": "botocore.exceptions"})
CONNECTION = type("ConnectionError", (BOTOCORE,), {"__module__": "botocore.exceptions"})
TRANSIENT = {
    "Kafka, nobody answers": made("kafka.errors.KafkaTimeoutError", KAFKA_RETRIABLE),
    "S3 slow down": client_error(503, "SlowDown"),
    "S3 request timeout": client_error(400, "RequestTimeout"),
    "S3 in Beam's": s3(client_error(500), 500),
    "S3 unreachable": s3(made("botocore.exceptions.EndpointConnectionError", CONNECTION)),
    "S3 truncated": s3(made("botocore.exceptions.IncompleteReadError", BOTOCORE)),
    "S3 of a batch": made("apache_beam.io.aws.s3.S3ClientError", code="InternalError"),
    "GCS 503": google(503),
    "GCS 429": google(429),
    "GCS rate": google(403, "rateLimitExceeded"),
    "GCS retried": made("google.api_core.exceptions.RetryError", cause=google(503)),
    "GCS token": made("google.auth.exceptions.TransportError"),
    "GCS batch": BeamIOError("Rename", {("a", "b"): 503}),
    "Azure busy": azure(503, "ServerBusy"),
    "Azure unreachable": made("azure.core.exceptions.ServiceRequestError"),
    "Azure truncated": made("azure.core.exceptions.IncompleteReadError", status_code=200),
    "Azure broken": made(
        "azure.core.exceptions.HttpResponseError",
        type("AzureError", (Exception,), {"__module__": "azure.core.exceptions"}),
        status_code=None,
        inner_exception=made("urllib3.exceptions.ProtocolError"),
    ),
    "Azure in Beam's": BeamIOError(
        "List", {"a": made("apache_beam.io.azure.blobstorageio.BlobStorageError", code=500)}
    ),
    "HDFS standby": hdfs("StandbyException"),
    "HDFS safe mode": hdfs("SafeModeException"),
    "HDFS in Beam's": BeamIOError("Rename", hdfs("RetriableException")),
    "HTTP 502": made(
        "requests.exceptions.HTTPError", OSError, response=SimpleNamespace(status_code=502)
    ),
    "HTTP reset": made("requests.exceptions.ConnectionError", OSError),
    "HTTP truncated": made("urllib3.exceptions.ProtocolError"),
    "DNS": socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution"),
    "name": socket.gaierror(socket.EAI_NONAME, "name or service not known"),
}
PERMANENT = {
    "Kafka, not allowed": made("kafka.errors.TopicAuthorizationFailedError", KAFKA),
    "S3 403": s3(client_error(403, "AccessDenied"), 403),
    "S3 404": s3(client_error(404, "NoSuchBucket"), 404),
    "S3 no path": made("apache_beam.io.aws.s3.S3ClientError", code=404),
    "S3 no credentials": s3(made("botocore.exceptions.NoCredentialsError", BOTOCORE)),
    "S3 certificate": s3(made("botocore.exceptions.SSLError", CONNECTION)),
    "S3 of a batch": made("apache_beam.io.aws.s3.S3ClientError", code="AccessDenied"),
    "GCS 401": google(401),
    "GCS 403": google(403, "forbidden"),
    "GCS 404": google(404),
    "GCS credentials": made("google.auth.exceptions.RefreshError"),
    "GCS batch": BeamIOError("Rename", {("a", "b"): 403}),
    "Azure 403": azure(403, "AuthenticationFailed"),
    "Azure 404": azure(404, "BlobNotFound"),
    "Azure 501": azure(501),
    "HDFS missing": hdfs("FileNotFoundException"),
    "HDFS forbidden": hdfs("AccessControlException"),
    "HDFS 401": hdfs(None),
    "HTTP 400": made(
        "requests.exceptions.HTTPError", OSError, response=SimpleNamespace(status_code=400)
    ),
    "HTTP URL": made(
        "requests.exceptions.InvalidURL",
        type("RequestException", (OSError,), {"__module__": "requests.exceptions"}),
    ),
    "certificate": ssl.SSLCertVerificationError("self-signed"),
    "one of two": BeamIOError("Delete", {"a": google(503), "b": google(403)}),
}


@pytest.mark.parametrize("error", TRANSIENT.values(), ids=list(TRANSIENT))
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert is_transient(error)
    assert not is_missing(error)


@pytest.mark.parametrize("error", PERMANENT.values(), ids=list(PERMANENT))
def test_what_stays_is_not(error: Exception) -> None:
    assert not is_transient(error)


def test_a_missing_file_is_known_as_one() -> None:
    missing = [s3(client_error(404), 404), google(404), azure(404), hdfs("FileNotFoundException")]
    missing += [FileNotFoundError(2, "x"), BeamIOError("Match", {"a": google(404)})]
    assert all(map(is_missing, missing))
    assert not any(map(is_missing, [google(403), hdfs(None), OSError(5, "x"), ValueError()]))


def test_messages_are_those_of_what_has_gone_wrong() -> None:
    error = BeamIOError("Match", {"s3://b": BeamIOError("List", {"s3://b": s3(client_error(403))})})
    (cause,) = root_causes(error)
    assert describe(error) == describe(cause) == "ClientError: why"


def test_a_type_that_its_message_names_is_named_once() -> None:
    assert describe(TimeoutError("TimeoutError: nobody answers")) == "TimeoutError: nobody answers"
    assert describe(TimeoutError("TimeoutError")) == describe(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (s3(client_error(503, **{"retry-after": "7"}), 503), 7),
        (client_error(503), 0),
        (client_error(503, **{"retry-after": "soon"}), 0),
        (client_error(503, **{"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}), 0),
        (client_error(503, **{"x-ms-retry-after-ms": "9" * 5000}), math.inf),
        (
            made("azure.core.X", response=SimpleNamespace(headers={"x-ms-retry-after-ms": "250"})),
            0.25,
        ),
        (made("requests.X", response=SimpleNamespace(headers={"Retry-After": "3"})), 3),
        (OSError("x"), 0),
    ],
    ids=str,
)
def test_a_server_may_ask_for_a_pause(error: Exception, seconds: float) -> None:
    assert retry_after(error) == seconds


def test_a_pause_may_be_a_date() -> None:
    then = email.utils.formatdate(time.time() + 3600, usegmt=True)
    assert 3500 < retry_after(client_error(503, **{"retry-after": then})) <= 3600
    assert retry_after(client_error(503, **{"retry-after": email.utils.formatdate(0)})) == 0


def test_a_server_gets_its_pause_but_no_endless_one(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    errors = [client_error(503, **{"retry-after": seconds}) for seconds in ("20", "9999")]

    def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    assert Retrier("read", Resilience(max_retry_after=30))(work) == "done"
    assert waited == [20, 30]
