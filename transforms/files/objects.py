"""What the clients of stores call the object at a URL, for requests of which Beam makes more than
one, or none.

Of Beam's filesystems and clients, these functions know what is not documented; see also
`transforms.files.clients`.
"""

from typing import Any


def s3_object(filesystem: Any, path: str) -> tuple[Any, dict[str, str]]:
    """Returns boto3's client, and the arguments that name an object."""
    from apache_beam.io.aws.clients.s3 import boto3_client
    from apache_beam.io.aws.s3io import parse_s3_path

    bucket, key = parse_s3_path(path)
    client = boto3_client.Client(filesystem._options).client
    return client, {"Bucket": bucket, "Key": key}


def gcs_blob(filesystem: Any, path: str) -> Any:
    """Returns a blob of Google's client."""
    from apache_beam.io.gcp.gcsio import parse_gcs_path

    bucket, name = parse_gcs_path(path)
    return filesystem._gcsIO().client.bucket(bucket).blob(name)


def azure_blob(filesystem: Any, path: str) -> Any:
    """Returns Azure's client of a blob."""
    from apache_beam.io.azure.blobstorageio import parse_azfs_path

    return filesystem._blobstorageIO().client.get_blob_client(*parse_azfs_path(path))


def hdfs_file(filesystem: Any, path: str) -> tuple[Any, str]:
    """Returns the client of HDFS, and the path there."""
    return filesystem._hdfs_client, filesystem._parse_url(path)[1]


def rename_in_hdfs(client: Any, source: str, target: str) -> None:
    """Renames onto a file or an empty folder in one step, for which the client has no option."""
    client._rename(source, destination=client.resolve(target), renameoptions="OVERWRITE")
