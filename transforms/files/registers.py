"""Registers: short texts in a store, written by compare-and-swap.

Each store supports a conditional write: on the ETag of the replaced object (S3 and Azure), on its
generation (Google Cloud Storage), or by a rename of what exists (HDFS). So if two programs write at
the same time, only the first one succeeds.
"""

import abc
import uuid
from typing import Any, NamedTuple

from apache_beam.io.filesystems import FileSystems

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
from transforms.files.stores import retried
from transforms.stages.faults import is_missing


class Entry(NamedTuple):
    """The content of a register.

    Attributes:
      text: the text as it was written.
      version: the store's identifier of this write, which is unique.
    """

    text: str
    version: str


class Register(abc.ABC):
    """A short text in a store. All operations are retried.

    Args:
      path: the URL of the register; nothing else may write there.
      filesystem: Beam's filesystem for this URL.
    """

    def __init__(self, path: str, filesystem: Any):
        self._path, self._filesystem = path, filesystem

    def read(self) -> Entry | None:
        """Returns the content of the register; None if it is empty.

        Raises:
          Exception: whatever the client of the store raises.
        """
        found = self._found()
        return None if found is None else found._replace(text=found.text.partition(" ")[0])

    def write(self, text: str, version: str | None = None) -> str | None:
        """Writes a text, unless the content has been replaced meanwhile.

        Args:
          text: a text without white space.
          version: the expected version of the content; None if the register should be empty.

        Returns:
          The version of the text; None if the content was another, and nothing was written.

        Raises:
          Exception: whatever the client of the store raises.
        """
        # Each write is unique, so that a write whose answer was lost can be recognized.
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
        """Empties the register, if it still has this version.

        Raises:
          Exception: whatever the client of the store raises.
        """
        try:
            retried("write", self._clear, version)
        except Exception:  # each client raises its own
            if _version_of(self._found()) == version:
                raise

    def _found(self) -> Entry | None:
        """Returns the content; its text still has the unique part of the write."""
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
    """Returns the register at a URL; None if its filesystem is not supported.

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
        body = unique.encode()
        return str(client.put_object(**place, Body=body, **s3_condition(version))["ETag"])

    def _clear(self, version: str) -> None:
        client, place = s3_object(self._filesystem, self._path)
        client.delete_object(**place, **s3_condition(version))


class _GCSRegister(Register):
    def _read(self) -> Entry:
        blob = gcs_blob(self._filesystem, self._path)
        blob.reload()
        text = blob.download_as_bytes(if_generation_match=blob.generation).decode()
        return Entry(text, str(blob.generation))

    def _write(self, unique: str, version: str | None) -> str:
        blob = gcs_blob(self._filesystem, self._path)
        blob.upload_from_string(unique, **gcs_condition(version))
        return str(blob.generation)

    def _clear(self, version: str) -> None:
        gcs_blob(self._filesystem, self._path).delete(**gcs_condition(version))


class _AzureRegister(Register):
    def _read(self) -> Entry:
        download = azure_blob(self._filesystem, self._path).download_blob()
        return Entry(download.readall().decode(), download.properties.etag)

    def _write(self, unique: str, version: str | None) -> str:
        blob, data = azure_blob(self._filesystem, self._path), unique.encode()
        if version is None:
            return str(blob.upload_blob(data)["etag"])
        return str(blob.upload_blob(data, overwrite=True, **azure_condition(version))["etag"])

    def _clear(self, version: str) -> None:
        azure_blob(self._filesystem, self._path).delete_blob(**azure_condition(version))


class _HDFSRegister(Register):
    """A folder that contains a folder whose name is the text.

    A folder can be renamed onto another one only if that is empty, and only one program can rename
    the folder inside.
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
        client.delete(path)  # only if it is empty: another program may have written meanwhile


_KINDS: dict[str, type[Register]] = {
    "azfs": _AzureRegister,
    "gs": _GCSRegister,
    "hdfs": _HDFSRegister,
    "s3": _S3Register,
}
