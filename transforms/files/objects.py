"""The object at a URL in terms of the stores' own clients, for requests that Beam cannot make, or
makes as several requests.

These functions depend on undocumented details of Beam's filesystems and clients; see also
`transforms.files.clients`.
"""

from typing import Any


def s3_object(filesystem: Any, path: str) -> tuple[Any, dict[str, str]]:
    """Returns boto3's client, and the arguments that identify an object."""
    from apache_beam.io.aws.clients.s3 import boto3_client
    from apache_beam.io.aws.s3io import parse_s3_path

    bucket, key = parse_s3_path(path)
    client = boto3_client.Client(filesystem._options).client
    return client, {"Bucket": bucket, "Key": key}


def s3_condition(version: str | None) -> dict[str, str]:
    """Returns arguments by which a request applies only to this ETag, or only to no object."""
    return {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}


def gcs_blob(filesystem: Any, path: str) -> Any:
    """Returns a blob of Google's client."""
    from apache_beam.io.gcp.gcsio import parse_gcs_path

    bucket, name = parse_gcs_path(path)
    return filesystem._gcsIO().client.bucket(bucket).blob(name)


def gcs_condition(version: str | None) -> dict[str, int]:
    """Returns arguments by which a request applies only to this generation, or to no object."""
    return {"if_generation_match": int(version or 0)}


def azure_blob(filesystem: Any, path: str) -> Any:
    """Returns Azure's client of a blob."""
    from apache_beam.io.azure.blobstorageio import parse_azfs_path

    return filesystem._blobstorageIO().client.get_blob_client(*parse_azfs_path(path))


def azure_condition(version: str | None) -> dict[str, Any]:
    """Returns arguments by which a request applies only to this ETag, or only to no object."""
    from azure.core import MatchConditions

    if version is None:
        return {"match_condition": MatchConditions.IfMissing}
    return {"etag": version, "match_condition": MatchConditions.IfNotModified}


def hdfs_file(filesystem: Any, path: str) -> tuple[Any, str]:
    """Returns the client of HDFS, and the path there."""
    return filesystem._hdfs_client, filesystem._parse_url(path)[1]


def rename_in_hdfs(client: Any, source: str, target: str) -> None:
    """Renames, replacing a file or an empty folder in one step; the client has no option for it."""
    client._rename(source, destination=client.resolve(target), renameoptions="OVERWRITE")
