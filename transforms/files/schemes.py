"""The schemes of URLs: which are local files, and which packages others need."""

import shlex
import urllib.parse

from apache_beam.io.filesystem import FileSystem
from apache_beam.io.filesystems import FileSystems

from transforms.checks import is_installed

# The name under which pip knows this project.
_PROJECT = "beam-anagrams"
# For the schemes of Beam's filesystems: the extra of this project with the package they need, and
# the module that is missing without it.
_EXTRAS = {
    "gs": ("gcp", "google.cloud.storage"),
    "s3": ("aws", "boto3"),
    "azfs": ("azure", "azure.storage.blob"),
    "hdfs": ("hadoop", "hdfs"),
}
# Schemes of other programs for the same filesystems.
_ALIASES = {
    **dict.fromkeys(("gcs", "gcp"), "gs"),
    **dict.fromkeys(("s3a", "s3n"), "s3"),
    **dict.fromkeys(("abfs", "abfss", "az", "wasb", "wasbs"), "azfs"),
    **dict.fromkeys(("webhdfs", "viewfs"), "hdfs"),
}
_WEB = ("http", "https", "ftp", "ftps", "sftp")


def is_local(path: str) -> bool:
    """Returns whether a path is that of a local file, not a URL."""
    return "://" not in path or FileSystems.get_scheme(path) is None


def local_path(path: str) -> str:
    """Returns the local path of a ``file://`` URL; any other path is returned unchanged.

    Example:
      >>> local_path("file:///tmp/a%20file.txt")
      '/tmp/a file.txt'
      >>> local_path("/tmp/a file.txt")
      '/tmp/a file.txt'
    """
    if path[:7].lower() != "file://":
        return path
    host, slash, rest = path[7:].partition("/")
    if host.lower() not in ("", "localhost"):
        return path
    return urllib.parse.unquote(slash + rest, errors="surrogateescape")


def why_unsupported(path: str) -> str | None:
    """Returns why a path has no filesystem, and what to do about it; None if it has one.

    Args:
      path: a path or URL, which need not exist.
    """
    scheme = FileSystems.get_scheme(local_path(path))
    if scheme is None:
        return None
    is_known = any(each.scheme() == scheme for each in FileSystem.get_all_subclasses())
    extra, module = _EXTRAS.get(scheme, ("", ""))
    if is_known and (not module or is_installed(module)):
        return None
    if extra:
        return f"{scheme}:// needs a package: pip install '{_PROJECT}[{extra}]'"
    if scheme.lower() == "file":
        return "a file:// URL of this machine has three slashes, as in file:///tmp/a.txt"
    if scheme.lower() in _WEB:
        return f"{scheme}:// is not supported; `curl -L {shlex.quote(path)}` prints what is there"
    if scheme.lower() in _ALIASES:
        return f"{scheme}:// is not supported; write {_ALIASES[scheme.lower()]}://"
    known = ", ".join(f"{each}://" for each in _EXTRAS)
    return f"{scheme}:// is not supported; what is, are local paths, file://, {known}"
