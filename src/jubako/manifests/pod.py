"""The pod that runs one version of a model, as a Deployment and a ServingRuntime hold it."""

from __future__ import annotations

import math

from jubako.manifests.container import (
    API_KEYS,
    CACHE,
    TMP,
    WEIGHTS_IN_IMAGE,
    stop_within_s,
    variables,
)
from jubako.manifests.objects import Object
from jubako.manifests.workload import Workload
from jubako.packaging.dockerfile import GRPC_PORT, HTTP_PORT, USER
from jubako.packaging.weights import MOUNT

LEAVE_ENDPOINTS_S = 5
"""Time for every proxy of the cluster to hear that the pod is leaving, before it stops taking connections."""

STARTUP_PERIOD_S = 2
GPU = "nvidia.com/gpu"


def labels(workload: Workload) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "jubako",
        "app.kubernetes.io/instance": workload.name,
        "app.kubernetes.io/version": str(workload.version.number),
        "app.kubernetes.io/component": "model-server",
    }


def selector(workload: Workload) -> dict[str, str]:
    """The labels that the pods of every version have, so that one version can take the place of another."""
    return {name: value for name, value in labels(workload).items() if not name.endswith(("version", "component"))}


def scraped() -> dict[str, str]:
    """What Prometheus goes by when it finds pods by their annotations."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(HTTP_PORT), "prometheus.io/path": "/metrics"}


def pod_spec(workload: Workload) -> dict[str, object]:
    """The pod's specification for a Deployment."""
    return {
        **pod_settings(workload),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector(workload)},
            }
        ],
        "containers": [container(workload, "jubako", weights_mounted_by_us=True)],
        "volumes": volumes(workload, weights_mounted_by_us=True),
    }


def pod_settings(workload: Workload) -> dict[str, object]:
    """What holds for the pod as a whole, whoever makes it."""
    return {
        "automountServiceAccountToken": False,
        # A service that is named jubako would set JUBAKO_PORT to an address.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": LEAVE_ENDPOINTS_S + stop_within_s(workload),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_gpu_placement(workload),
    }


def container(workload: Workload, name: str, *, weights_mounted_by_us: bool) -> dict[str, object]:
    """The container; `weights_mounted_by_us` is false where KServe mounts them."""
    return {
        "name": name,
        "image": workload.image,
        "env": [{"name": variable, "value": value} for variable, value in variables(workload).items()],
        "envFrom": [{"secretRef": {"name": workload.env_secret}}] if workload.env_secret else None,
        "ports": [{"name": "http", "containerPort": HTTP_PORT}, {"name": "grpc", "containerPort": GRPC_PORT}],
        "resources": _resources(workload),
        "startupProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": STARTUP_PERIOD_S,
            "timeoutSeconds": 5,
            # A minute more than loading may take by the entry.
            "failureThreshold": math.ceil((workload.load_timeout_s + 60) / STARTUP_PERIOD_S),
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        # Of the one version, and not /readyz, which also says yes once a model has been given up.
        "readinessProbe": {
            "grpc": {"port": GRPC_PORT, "service": workload.title},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 2,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_ENDPOINTS_S}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(workload, weights_mounted_by_us=weights_mounted_by_us),
    }


def volumes(workload: Workload, *, weights_mounted_by_us: bool) -> list[Object]:
    """What the container's mounts are."""
    found: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    if workload.shares_memory:
        found.append({"name": "shared-memory", "emptyDir": {"medium": "Memory"}})
    if workload.fetches:
        found.append({"name": "cache", "emptyDir": {"sizeLimit": f"{workload.resources.weights_mib}Mi"}})
    if workload.weights == "mounted" and weights_mounted_by_us:
        found.append({"name": "weights", **_weights(workload)})
    if workload.api_keys_secret:
        found.append({"name": "api-keys", "secret": {"secretName": workload.api_keys_secret}})
    return found


def _weights(workload: Workload) -> Object:
    if workload.weights_image:
        return {"image": {"reference": workload.weights_image, "pullPolicy": "IfNotPresent"}}
    return {"persistentVolumeClaim": {"claimName": f"{workload.name}-weights", "readOnly": True}}


def _gpu_placement(workload: Workload) -> dict[str, object]:
    """Nodes with NVIDIA GPUs, as NVIDIA's operator labels and taints them."""
    if not workload.gpus:
        return {}
    return {
        "nodeSelector": {"nvidia.com/gpu.present": "true"},
        "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
    }


def _resources(workload: Workload) -> dict[str, object]:
    memory = f"{workload.resources.memory_mib}Mi"
    processors = str(workload.resources.processors)
    gpus = {GPU: str(workload.gpus)} if workload.gpus else {}
    return {
        "requests": {"cpu": processors, "memory": memory, **gpus},
        # Engines take as many threads as the bound on processors.
        "limits": {"cpu": processors, "memory": memory, **gpus},
    }


def _mounts(workload: Workload, *, weights_mounted_by_us: bool) -> list[Object]:
    mounts: list[Object] = [{"name": "tmp", "mountPath": TMP}]
    if workload.shares_memory:
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108 - it is no file of ours
    if workload.fetches:
        mounts.append({"name": "cache", "mountPath": CACHE})
    if workload.weights == "mounted" and weights_mounted_by_us:
        inside = WEIGHTS_IN_IMAGE if workload.weights_image else None
        mounts.append({"name": "weights", "mountPath": MOUNT, "subPath": inside, "readOnly": True})
    if workload.api_keys_secret:
        mounts.append({"name": "api-keys", "mountPath": API_KEYS, "readOnly": True})
    return mounts
