"""What Kubernetes is told, by Kubernetes' own schemas of several versions, in which a field that is not known is wrong."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml

from jubako.errors import ConfigurationError
from jubako.manifests import as_yaml, kubernetes_objects
from tests.unit.manifests.conftest import Make

VERSIONS = ["1.32", "1.34", "1.37"]

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "in a namespace, three of them": {"namespace": "models", "replicas": 3},
    "GPU": {"name": "Big_Model.7B", "gpus": 2, "weights": "mounted"},
    "an image of weights": {"weights": "mounted", "weights_image": "registry.example.com/weights@sha256:" + "1" * 64},
    "source": {"weights": "source"},
    "keys": {"api_keys_secret": "smollm2-keys"},
    "another server's model": {"name": "claude", "env_secret": "claude-key"},
}


def made(workload: Make, **fields: Any) -> dict[str, dict[str, Any]]:
    """The objects by their kind, as whoever reads the YAML gets them."""
    objects = list(yaml.safe_load_all(as_yaml(kubernetes_objects(workload(**fields)), "a heading")))
    return {each["kind"]: each for each in objects}


def pod(workload: Make, **fields: Any) -> dict[str, Any]:
    spec: dict[str, Any] = made(workload, **fields)["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_each_object_is_valid(fields: dict[str, Any], version: str, workload: Make) -> None:
    for each in made(workload, **fields).values():
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    "path",
    [
        ("Deployment", "spec", "template", "spec"),
        ("Deployment", "spec", "template", "spec", "securityContext"),
        ("HorizontalPodAutoscaler", "spec", "behavior"),
        ("NetworkPolicy", "spec"),
    ],
)
def test_a_field_that_kubernetes_does_not_know_would_be_found(path: tuple[str, ...], workload: Make) -> None:
    objects = made(workload)
    place = objects[path[0]]
    for name in path[1:]:
        place = place[name]
    place["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(objects[path[0]], VERSIONS[-1], strict=True)


def test_names_are_what_kubernetes_takes_and_differ(workload: Make) -> None:
    names = {each["metadata"]["name"] for each in made(workload, name="Big_Model.7B").values()}
    assert names == {"big-model-7b-c6cab1"}
    assert {each["metadata"]["name"] for each in made(workload).values()} == {"smollm2"}


def test_the_service_and_all_the_others_find_the_pods_of_every_version(workload: Make) -> None:
    objects = made(workload)
    template = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["Service"]["spec"]["selector"],
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    for chosen in selectors:
        assert chosen.items() < template.items()
        assert "app.kubernetes.io/version" not in chosen


def test_nothing_of_the_container_is_privileged_or_writable(workload: Make) -> None:
    spec = pod(workload)
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == 1034
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not spec["automountServiceAccountToken"]
    # A service that is named jubako must not become the setting of the port.
    assert not spec["enableServiceLinks"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]


def test_the_end_leaves_time_for_endpoints_grace_and_the_last_steps(workload: Make) -> None:
    spec = pod(workload, grace_period_s=60.5)
    [container] = spec["containers"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before > 0
    assert spec["terminationGracePeriodSeconds"] > before + 60.5 + 5
    assert {"name": "JUBAKO_GRACE_PERIOD_S", "value": "60.5"} in container["env"]


def test_probes_give_the_model_as_long_as_its_entry_and_ask_for_the_version(workload: Make) -> None:
    [container] = pod(workload)["containers"]
    startup = container["startupProbe"]
    assert startup["httpGet"]["path"] == "/readyz"
    assert startup["periodSeconds"] * startup["failureThreshold"] > 900
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["grpc"] == {"port": 50051, "service": "smollm2:1"}
    assert made(workload)["Deployment"]["spec"]["progressDeadlineSeconds"] > 900


def test_the_service_has_both_ports(workload: Make) -> None:
    ports = {port["name"]: port for port in made(workload)["Service"]["spec"]["ports"]}
    assert (ports["http"]["port"], ports["grpc"]["port"]) == (3000, 50051)
    assert ports["grpc"]["appProtocol"] == "kubernetes.io/h2c"


def test_pods_are_added_by_the_queue_and_by_the_slots_that_the_entry_has(workload: Make) -> None:
    objects = made(workload, replicas=2)
    scaling = objects["HorizontalPodAutoscaler"]["spec"]
    wanted = {each["pods"]["metric"]["name"]: each["pods"]["target"]["averageValue"] for each in scaling["metrics"]}
    assert wanted == {"jubako_requests_queued": "2", "jubako_requests_running": "4"}
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (2, 8)
    # Applied again, a number of its own would undo what the autoscaler chose.
    assert "replicas" not in objects["Deployment"]["spec"]
    names = [each["pods"]["metric"]["name"] for each in made(workload, name="echo")["HorizontalPodAutoscaler"]["spec"]["metrics"]]
    assert names == ["jubako_requests_queued"]


def test_a_gpu_is_asked_for_where_one_is_and_not_held_twice(workload: Make) -> None:
    objects = made(workload, name="Big_Model.7B", gpus=2)
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert objects["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


@pytest.mark.parametrize(("fields", "shares"), [({"name": "Big_Model.7B"}, True), ({"gpus": 2}, True), ({"gpus": 1}, False)])
def test_processes_that_share_memory_get_more_than_containers_have(fields: dict[str, Any], shares: bool, workload: Make) -> None:
    spec = pod(workload, **fields)
    assert ({"name": "shared-memory", "mountPath": "/dev/shm"} in spec["containers"][0]["volumeMounts"]) == shares
    assert ({"name": "shared-memory", "emptyDir": {"medium": "Memory"}} in spec["volumes"]) == shares


@pytest.mark.parametrize(
    ("fields", "volume", "place"),
    [
        ({"weights": "mounted"}, {"persistentVolumeClaim": {"claimName": "smollm2-weights", "readOnly": True}}, {}),
        (
            {"weights": "mounted", "weights_image": "r.example.com/w@sha256:1"},
            {"image": {"reference": "r.example.com/w@sha256:1", "pullPolicy": "IfNotPresent"}},
            {"subPath": "models"},
        ),
    ],
)
def test_weights_outside_the_image_are_mounted_read_only(
    fields: dict[str, Any], volume: dict[str, Any], place: dict[str, str], workload: Make
) -> None:
    spec = pod(workload, **fields)
    assert {"name": "weights", **volume} in spec["volumes"]
    assert {"name": "weights", "mountPath": "/mnt/models", "readOnly": True, **place} in spec["containers"][0]["volumeMounts"]


@pytest.mark.parametrize("weights", ["source", "artifact"])
def test_weights_that_are_fetched_have_a_folder_to_go_to(weights: str, workload: Make) -> None:
    spec = pod(workload, weights=weights)
    assert {"name": "JUBAKO_CACHE_DIR", "value": "/var/cache/jubako"} in spec["containers"][0]["env"]
    assert {"name": "cache", "mountPath": "/var/cache/jubako"} in spec["containers"][0]["volumeMounts"]
    assert {"name": "cache", "emptyDir": {"sizeLimit": "256Mi"}} in spec["volumes"]


def test_an_image_of_weights_is_for_containers_that_mount_them(workload: Make) -> None:
    with pytest.raises(ConfigurationError, match="--weights mounted"):
        workload(weights="artifact", weights_image="r.example.com/w@sha256:1")


@pytest.mark.parametrize(
    ("fields", "free"),
    [
        ({}, False),
        ({"weights": "source"}, True),
        ({"weights": "mounted"}, False),
        ({"name": "claude"}, True),
        ({"name": "echo"}, False),
    ],
)
def test_only_what_must_call_out_may(fields: dict[str, Any], free: bool, workload: Make) -> None:
    policy = made(workload, **fields)["NetworkPolicy"]["spec"]
    assert policy["egress"] == ([{}] if free else [])
    assert [port["port"] for port in policy["ingress"][0]["ports"]] == [3000, 50051]


def test_a_secret_becomes_variables(workload: Make) -> None:
    [container] = pod(workload, name="claude", env_secret="claude-key")["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "claude-key"}}]
    assert "envFrom" not in pod(workload)["containers"][0]


def test_keys_are_a_secret_that_is_mounted(workload: Make) -> None:
    spec = pod(workload, api_keys_secret="smollm2-keys")
    [container] = spec["containers"]
    [variable] = [each for each in container["env"] if each["name"] == "JUBAKO_API_KEYS"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "api-keys"]
    assert variable["value"].startswith(mount["mountPath"] + "/")
    assert {"name": "api-keys", "secret": {"secretName": "smollm2-keys"}} in spec["volumes"]
