"""Holds files for Kubernetes to its schemas, and to that of the operator for Flink."""

import functools
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.support import programs

#: Of the operator for Flink whose schema a FlinkDeployment is held to.
OPERATOR = "1.10.0"
_ARTIFACT = "flink-kubernetes-operator-api"
_SCHEMA = "META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"


def check(document: dict[str, Any]) -> None:
    """Checks a resource as the newest Kubernetes would; no field may be unknown.

    Raises:
      jsonschema.ValidationError: the resource would be refused.
    """
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def check_flink_deployment(document: dict[str, Any]) -> None:
    """Checks a FlinkDeployment as the operator's own schema has it; no field may be unknown.

    Raises:
      jsonschema.ValidationError: the resource would be refused.
    """
    definition = _flink_deployment()
    assert document["kind"] == definition["names"]["kind"]
    group, _, version = document["apiVersion"].partition("/")
    assert group == definition["group"]
    (schema,) = (
        one["schema"]["openAPIV3Schema"] for one in definition["versions"] if one["name"] == version
    )
    jsonschema.validate(document["spec"], _strict(schema["properties"]["spec"]))


@functools.cache
def _flink_deployment() -> dict[str, Any]:
    """Returns what defines the kind, from the operator's library, which Maven has fetched."""
    folder = Path("~/.m2/repository/org/apache/flink", _ARTIFACT, OPERATOR).expanduser()
    jar = folder / f"{_ARTIFACT}-{OPERATOR}.jar"
    if not jar.exists():
        wanted = f"org.apache.flink:{_ARTIFACT}:{OPERATOR}"
        programs.missing(f"mvn dependency:get -Dtransitive=false -Dartifact={wanted}")
    with zipfile.ZipFile(jar) as archive:
        definition: dict[str, Any] = yaml.safe_load(archive.read(_SCHEMA))["spec"]
    return definition


def _strict(schema: Any) -> Any:
    """Returns a schema in which objects have no other fields than those that it names."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(one) for name, one in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        strict.setdefault("additionalProperties", False)
    return strict
