"""Renames objects of stores, most of which can only copy and delete; never replaces a newer one.

A request may reach its store long after its program has been killed, when another program has
written there. Therefore the version of the existing object is read first, and requests are made on
the condition that it is unchanged; otherwise the store does nothing. HDFS has no such condition.
"""

import errno
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from transforms.files.objects import (
    azure_blob,
    azure_condition,
    gcs_blob,
    gcs_condition,
    hdfs_file,
    rename_in_hdfs,
    s3_condition,
    s3_object,
)
from transforms.stages.faults import http_status, is_missing

# How often to check whether a copy inside a store, which is fast, has ended, in seconds.
_POLL_SECONDS = 0.2
# The statuses of stores if a condition does not hold; 409 is Azure's if nothing was expected.
_UNMET = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT)

# The errors of S3 servers if an object is too large to copy in one request (5 GiB), or if they do
# not support this condition, which is newer than that of writing.
_NOT_AT_ONCE = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED)


class Guard(NamedTuple):
    """A file that must not be lost when another one is renamed.

    Attributes:
      path: the path of the file that others may replace: the source or the target of the rename.
      check: called after its version is read, before anything is changed. Raises an error if the
        file may belong to another run already.
    """

    path: str
    check: Callable[[], None]


class _ObjectStore(ABC):
    """Makes single attempts at requests.

    Args:
      filesystem: Beam's filesystem.
    """

    def __init__(self, filesystem: Any):
        self._filesystem = filesystem

    def rename(self, source: str, target: str, guard: Guard | None) -> None:
        """Makes an attempt at renaming an object.

        Raises:
          OSError: the guarded file has been replaced meanwhile; another attempt may succeed.
          Exception: whatever the client or the guard raises.
        """
        of_source: Mapping[str, Any] = {}
        of_target: Mapping[str, Any] = {}
        if guard is not None:
            condition = self.condition(self._version_of(guard.path))
            guard.check()
            of_source = condition if guard.path == source else {}
            of_target = condition if guard.path == target else {}
        try:
            self.copy(source, target, of_target)
            self.delete(source, of_source)
        except Exception as error:  # each client raises its own
            if guard is not None and http_status(error) in _UNMET:
                raise OSError(errno.EAGAIN, "has been replaced meanwhile", guard.path) from error
            raise

    def _version_of(self, path: str) -> str | None:
        try:
            return self.version(path)
        except Exception as error:  # each client raises its own
            if is_missing(error):
                return None
            raise

    @abstractmethod
    def version(self, path: str) -> str:
        """Returns the identifier of this version of an object."""

    @abstractmethod
    def condition(self, version: str | None) -> Mapping[str, Any]:
        """Returns arguments by which a request has an effect only on this version."""

    @abstractmethod
    def copy(self, source: str, target: str, condition: Mapping[str, Any]) -> None:
        """Copies an object, if a condition holds for its target."""

    @abstractmethod
    def delete(self, path: str, condition: Mapping[str, Any]) -> None:
        """Deletes an object, if a condition holds for it."""


class _S3(_ObjectStore):
    def version(self, path: str) -> str:
        client, place = s3_object(self._filesystem, path)
        return str(client.head_object(**place)["ETag"])

    def condition(self, version: str | None) -> Mapping[str, Any]:
        return s3_condition(version)

    def copy(self, source: str, target: str, condition: Mapping[str, Any]) -> None:
        client, original = s3_object(self._filesystem, source)
        _, place = s3_object(self._filesystem, target)
        try:
            client.copy_object(**place, CopySource=original, **condition)
        except Exception as error:  # the client raises its own
            if http_status(error) not in _NOT_AT_ONCE:
                raise
            client.copy(original, place["Bucket"], place["Key"])

    def delete(self, path: str, condition: Mapping[str, Any]) -> None:
        client, place = s3_object(self._filesystem, path)
        client.delete_object(**place, **condition)


class _GCS(_ObjectStore):
    def version(self, path: str) -> str:
        blob = gcs_blob(self._filesystem, path)
        blob.reload()
        return str(blob.generation)

    def condition(self, version: str | None) -> Mapping[str, Any]:
        return gcs_condition(version)

    def copy(self, source: str, target: str, condition: Mapping[str, Any]) -> None:
        # Beam sends batch requests, which are larger, and whose errors have no headers.
        original, copy = gcs_blob(self._filesystem, source), gcs_blob(self._filesystem, target)
        token = None
        while True:
            token, _, _ = copy.rewrite(original, token=token, **condition)
            if token is None:
                break

    def delete(self, path: str, condition: Mapping[str, Any]) -> None:
        gcs_blob(self._filesystem, path).delete(**condition)


class _Azure(_ObjectStore):
    def version(self, path: str) -> str:
        return str(azure_blob(self._filesystem, path).get_blob_properties().etag)

    def condition(self, version: str | None) -> Mapping[str, Any]:
        return azure_condition(version)

    def copy(self, source: str, target: str, condition: Mapping[str, Any]) -> None:
        # Beam copies from the public address of the account, whatever the endpoint.
        original, copy = azure_blob(self._filesystem, source), azure_blob(self._filesystem, target)
        copy.start_copy_from_url(original.url, **condition)
        while (status := copy.get_blob_properties().copy.status) == "pending":
            time.sleep(_POLL_SECONDS)
        if status != "success":
            raise OSError(f"{target}: the copy has ended with {status}")

    def delete(self, path: str, condition: Mapping[str, Any]) -> None:
        azure_blob(self._filesystem, path).delete_blob(**condition)


class _HDFS:
    """Renames in one step, unconditionally."""

    def __init__(self, filesystem: Any):
        self._filesystem = filesystem

    def rename(self, source: str, target: str, guard: Guard | None) -> None:
        if guard is not None:
            guard.check()
        client, path = hdfs_file(self._filesystem, source)
        rename_in_hdfs(client, path, hdfs_file(self._filesystem, target)[1])


_KINDS: dict[str, type[_ObjectStore] | type[_HDFS]] = {
    "azfs": _Azure,
    "gs": _GCS,
    "hdfs": _HDFS,
    "s3": _S3,
}


def renamer_of(filesystem: Any) -> Callable[[str, str, Guard | None], None] | None:
    """Returns a function that renames files of a Beam filesystem; None if it is not supported."""
    kind = _KINDS.get(filesystem.scheme())
    return None if kind is None else kind(filesystem).rename
