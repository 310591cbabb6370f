"""Registers: short texts in a store, which nobody replaces without knowing what is there.

Each store has some condition under which it writes: S3 and Azure the ETag of what is replaced,
Google Cloud Storage its generation, and HDFS a rename of what is there. So two programs that write
at the same time find out which of them was first.
"""

import abc
import uuid
from typing import Any, NamedTuple

from apache_beam.io.filesystems import FileSystems

from transforms.files.objects import (
    azure_blob,
    gcs_blob,
    hdfs_file,
    rename_in_hdfs,
    s3_object,
)
from transforms.files.stores import retried
from transforms.stages.faults import is_missing


class Entry(NamedTuple):
    """What is in a register.

    Attributes:
      text: as it was written.
      version: what the store calls this writing of it; no other one has the same.
    """

    text: str
    version: str


class Register(abc.ABC):
    """A short text in a store. All operations are retried.

    Args:
      path: the URL of the register, at which nobody else writes.
      filesystem: Beam's, for this URL.
    """

    def __init__(self, path: str, filesystem: Any):
        self._path, self._filesystem = path, filesystem

    def read(self) -> Entry | None:
        """Returns what is in the register; None if it is empty.

        Raises:
          Exception: whatever the client of the store raises.
        """
        found = self._found()
        return None if found is None else found._replace(text=found.text.partition(" ")[0])

    def write(self, text: str, version: str | None = None) -> str | None:
        """Writes a text, if what is there has not been replaced meanwhile.

        Args:
          text: without white space.
          version: of what is there; None if the register is empty.

        Returns:
          The version of the text; None if something else was there, and still is.

        Raises:
          Exception: whatever the client of the store raises.
        """
        # No two writings are alike, so that one whose answer was lost is found again.
        unique = f"{text} {uuid.uuid4().hex[:8]}"
        try:
            return retried("write", self._write, unique, version)
        except Exception:  # each client raises its own
            found = self._found()
            if found is not None and found.text == unique:
                return found.version
            if _version_of(found) != version:
                return None
            raise

    def clear(self, version: str) -> None:
        """Makes the register empty, if this version is still there.

        Raises:
          Exception: whatever the client of the store raises.
        """
        try:
            retried("write", self._clear, version)
        except Exception:  # each client raises its own
            if _version_of(self._found()) == version:
                raise

    def _found(self) -> Entry | None:
        """Returns what is there; the text is that of one writing."""
        try:
            return retried("read", self._read)
        except Exception as error:  # each client raises its own
            if is_missing(error):
                return None
            raise

    @abc.abstractmethod
    def _read(self) -> Entry | None:
        """Makes one attempt at reading."""

    @abc.abstractmethod
    def _write(self, unique: str, version: str | None) -> str | None:
        """Makes one attempt at writing, and returns the new version."""

    @abc.abstractmethod
    def _clear(self, version: str) -> None:
        """Makes one attempt at clearing."""


def register_at(path: str) -> Register | None:
    """Returns the register at a URL; None if nothing is known about its filesystem.

    Raises:
      Exception: there is no filesystem for the URL.
    """
    filesystem = retried("write", FileSystems.get_filesystem, path)
    kind = _KINDS.get(filesystem.scheme())
    return None if kind is None else kind(path, filesystem)


def _version_of(entry: Entry | None) -> str | None:
    return None if entry is None else entry.version


class _S3Register(Register):
    def _read(self) -> Entry:
        client, place = s3_object(self._filesystem, self._path)
        answer = client.get_object(**place)
        return Entry(answer["Body"].read().decode(), answer["ETag"])

    def _write(self, unique: str, version: str | None) -> str:
        client, place = s3_object(self._filesystem, self._path)
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        return str(client.put_object(**place, Body=unique.encode(), **condition)["ETag"])

    def _clear(self, version: str) -> None:
        client, place = s3_object(self._filesystem, self._path)
        client.delete_object(**place, IfMatch=version)


class _GCSRegister(Register):
    def _read(self) -> Entry:
        blob = gcs_blob(self._filesystem, self._path)
        blob.reload()
        text = blob.download_as_bytes(if_generation_match=blob.generation).decode()
        return Entry(text, str(blob.generation))

    def _write(self, unique: str, version: str | None) -> str:
        blob = gcs_blob(self._filesystem, self._path)
        blob.upload_from_string(unique, if_generation_match=int(version or 0))
        return str(blob.generation)

    def _clear(self, version: str) -> None:
        gcs_blob(self._filesystem, self._path).delete(if_generation_match=int(version))


class _AzureRegister(Register):
    def _read(self) -> Entry:
        download = azure_blob(self._filesystem, self._path).download_blob()
        return Entry(download.readall().decode(), download.properties.etag)

    def _write(self, unique: str, version: str | None) -> str:
        blob, data = azure_blob(self._filesystem, self._path), unique.encode()
        if version is None:
            return str(blob.upload_blob(data)["etag"])
        return str(blob.upload_blob(data, overwrite=True, **self._if_is(version))["etag"])

    def _clear(self, version: str) -> None:
        azure_blob(self._filesystem, self._path).delete_blob(**self._if_is(version))

    def _if_is(self, version: str) -> dict[str, Any]:
        from azure.core import MatchConditions

        return {"etag": version, "match_condition": MatchConditions.IfNotModified}


class _HDFSRegister(Register):
    """A folder that has the text as the name of a folder in it.

    A folder gets the name of another one only if that is empty, and only one program can rename
    what is inside.
    """

    def _read(self) -> Entry | None:
        client, path = hdfs_file(self._filesystem, self._path)
        names = sorted(client.list(path))
        return Entry(names[0].replace(".", " "), names[0]) if names else None

    def _write(self, unique: str, version: str | None) -> str:
        client, path = hdfs_file(self._filesystem, self._path)
        name = unique.replace(" ", ".")
        if version is not None:
            rename_in_hdfs(client, f"{path}/{version}", f"{path}/{name}")
            return name
        new = f"{path}.{uuid.uuid4().hex[:8]}"
        client.makedirs(f"{new}/{name}")
        try:
            rename_in_hdfs(client, new, path)
        except Exception:
            client.delete(new, recursive=True)
            raise
        return name

    def _clear(self, version: str) -> None:
        client, path = hdfs_file(self._filesystem, self._path)
        client.delete(f"{path}/{version}")
        client.delete(path)  # if it is empty; somebody may have been quick


_KINDS: dict[str, type[Register]] = {
    "azfs": _AzureRegister,
    "gs": _GCSRegister,
    "hdfs": _HDFSRegister,
    "s3": _S3Register,
}
