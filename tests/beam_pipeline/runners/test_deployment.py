"""The files for Kubernetes are what it accepts, fit together, and are those of what is tested."""

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from apache_beam.version import __version__ as beam_version

import beam_pipeline
from beam_pipeline.cli.parsing import parse
from tests.support import kubernetes
from tests.support.beam import of_newest_beam
from tests.support.cli import ROOT
from tests.support.dockerfile import Dockerfile
from tests.support.flink_cluster import (
    CACHE_MILLIS,
    FLINK,
    FLINK_SERIES,
    RESTART_DELAY_MILLIS,
    SETTINGS,
)

FOLDER = ROOT / "resources" / "flink"
IMAGES = {f"anagrams-{name}:{beam_pipeline.__version__}" for name in ("flink", "workers")}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


CLUSTER = documents("session-cluster.yaml")
(JOB,) = documents("count.yaml")
(DEPLOYMENT,) = documents("flink-deployment.yaml")


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [d for d in CLUSTER if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def pods() -> Iterator[dict[str, Any]]:
    for document in [*CLUSTER, JOB]:
        if document["kind"] in ("Deployment", "Job"):
            yield document["spec"]["template"]["spec"]


def settings() -> dict[str, str]:
    """The settings of the session cluster: a file without comments, which Flink would misread."""
    lines = named("ConfigMap", "flink")["data"]["FLINK_PROPERTIES"].splitlines()
    assert not [line for line in lines if "#" in line]
    return dict(line.split(": ", 1) for line in lines)


def test_flink_has_the_settings_that_are_tested() -> None:
    operated = DEPLOYMENT["spec"]["flinkConfiguration"]
    for name, value in SETTINGS.items():
        assert settings()[name] == operated[name] == str(value), name
    assert RESTART_DELAY_MILLIS > CACHE_MILLIS
    assert "high-availability.storageDir" in operated
    assert DEPLOYMENT["spec"]["flinkVersion"] == "v" + FLINK_SERIES.replace(".", "_")


@of_newest_beam
def test_images_are_those_that_are_built_of_the_versions_in_use() -> None:
    dockerfile = Dockerfile(FOLDER / "Dockerfile")
    dockerfile.check()
    assert dockerfile.images == [
        f"flink:{FLINK}-java17",
        f"apache/beam_python3.11_sdk:{beam_version}",
    ]
    containers = [c for pod in pods() for c in pod["containers"]]
    containers += DEPLOYMENT["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
    assert {c["image"] for c in containers} == IMAGES
    assert DEPLOYMENT["spec"]["image"] in IMAGES


def test_parts_refer_to_each_other() -> None:
    (claim,) = (d["metadata"]["name"] for d in CLUSTER if d["kind"] == "PersistentVolumeClaim")
    assert (
        settings()["jobmanager.rpc.address"] == named("Service", "jobmanager")["metadata"]["name"]
    )
    for document in CLUSTER:
        if document["kind"] == "Deployment":
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert document["spec"]["selector"]["matchLabels"] == labels
        elif document["kind"] == "Service":
            name = document["metadata"]["name"]
            chosen = named("Deployment", name)["spec"]["template"]
            assert document["spec"]["selector"] == chosen["metadata"]["labels"]
            (container,) = chosen["spec"]["containers"]
            opened = {port["containerPort"] for port in container["ports"]}
            assert {port["port"] for port in document["spec"]["ports"]} == opened
    for pod in pods():
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim
        for container in pod["containers"]:
            assert [mount["name"] for mount in container["volumeMounts"]] == [volume["name"]]
            for source in container.get("envFrom", ()):
                assert source["configMapRef"]["name"] == "flink"


def test_whatever_serves_is_probed_and_whatever_runs_is_bounded() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] != 0
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= container["resources"].keys()
            assert "memory" in container["resources"]["limits"]
            opened = {port["containerPort"] for port in container.get("ports", ())}
            probes = [container[kind] for kind in ("readinessProbe", "livenessProbe") if opened]
            for probe in probes:
                (action,) = (probe[kind] for kind in ("tcpSocket", "httpGet") if kind in probe)
                assert action["port"] in opened
    for name in ("jobmanager", "job-server"):
        assert named("Deployment", name)["spec"]["strategy"]["type"] == "Recreate"


def test_only_pods_of_the_same_namespace_reach_the_cluster() -> None:
    """Whoever reaches a job server or a JobManager can run any program there."""
    policy = named("NetworkPolicy", "flink")["spec"]
    (allowed,) = policy["ingress"]
    assert allowed == {"from": [{"podSelector": {}}]}
    for document in CLUSTER:
        if document["kind"] == "Deployment":
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert policy["podSelector"]["matchLabels"].items() <= labels.items()


def test_the_job_is_a_command_of_ours_with_the_settings_that_are_tested() -> None:
    (container,) = JOB["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["python", "-m", "beam_pipeline"]
    options = parse(container["command"][3:]).get_all_options()
    assert options["environment_cache_millis"] == str(CACHE_MILLIS)
    assert options["staging"] == "none"
    assert options["parallelism"] == named("Deployment", "taskmanager")["spec"]["replicas"]
    for address in (options["job_endpoint"], options["flink_master"]):
        service, _, port = address.partition(":")
        ports = named("Service", service)["spec"]["ports"]
        assert int(port) in [one["port"] for one in ports]
    pool = int(options["environment_config"].partition(":")[2])
    containers = named("Deployment", "taskmanager")["spec"]["template"]["spec"]["containers"]
    assert [pool] in [[port["containerPort"] for port in c["ports"]] for c in containers]
    assert JOB["spec"]["backoffLimit"] == 0


@pytest.mark.parametrize("document", [*CLUSTER, JOB], ids=lambda d: f"{d['kind']}")
def test_kubernetes_accepts_what_is_applied(document: dict[str, Any]) -> None:
    kubernetes.check(document)


def test_kubernetes_would_refuse_a_name_that_is_misspelt_and_a_number_for_a_text() -> None:
    for name, value in (("lables", {"app": "flink"}), ("labels", {"app": 1})):
        wrong = copy.deepcopy(named("Deployment", "jobmanager"))
        wrong["spec"]["template"]["metadata"][name] = value
        with pytest.raises(jsonschema.ValidationError):
            kubernetes.check(wrong)


@pytest.mark.cluster
def test_the_operator_accepts_its_cluster() -> None:
    kubernetes.check_flink_deployment(DEPLOYMENT)
    for path, name, value in (
        (("jobManager", "resource"), "memory", 1600),
        (("taskManager",), "replica", 2),
        (("podTemplate", "spec"), "containers", [{"name": "x", "imagee": "y"}]),
        (("flinkConfiguration",), "taskmanager.numberOfTaskSlots", 1),
    ):
        wrong = copy.deepcopy(DEPLOYMENT)
        part = wrong["spec"]
        for step in path:
            part = part[step]
        part[name] = value
        with pytest.raises(jsonschema.ValidationError):
            kubernetes.check_flink_deployment(wrong)


@pytest.mark.parametrize("path", sorted((ROOT / "resources").glob("*/Dockerfile")), ids=str)
def test_the_linter_of_dockerfiles_has_nothing_to_say(path: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([linter, "--no-color", path], capture_output=True, text=True)
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")
