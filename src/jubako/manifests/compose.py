"""A Compose file for one version of a model, for Docker and Podman on one machine."""

from __future__ import annotations

from jubako.errors import ConfigurationError
from jubako.manifests.container import (
    API_KEYS,
    API_KEYS_FILE,
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

KEYS = "api-keys"
MOST_PROCESSES = 1024
SHARED_MEMORY = "1gb"


def compose_file(workload: Workload) -> Object:
    """The file; its ports are open to the machine itself only.

    Raises:
        ConfigurationError: it asks for several containers, which can't share a port of the machine.
    """
    if workload.replicas > 1:
        raise ConfigurationError(
            "Compose can't put several containers behind one port. Leave out --replicas, and say `instances` in the model's "
            "entry to load it more than once."
        )
    found: dict[str, object] = {"name": workload.name, "services": {workload.name: _service(workload)}}
    if workload.api_keys_secret:
        found["secrets"] = {KEYS: {"file": workload.api_keys_secret}}
    return found


def _service(workload: Workload) -> Object:
    return {
        "image": workload.image,
        "restart": "unless-stopped",
        "user": f"{USER}:{USER}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "environment": variables(workload),
        "env_file": [workload.env_secret] if workload.env_secret else None,
        "ports": [f"127.0.0.1:{port}:{port}" for port in (HTTP_PORT, GRPC_PORT)],
        "tmpfs": [f"{TMP}:exec"],  # engines load the kernels that they compile there, which Docker would forbid
        "shm_size": SHARED_MEMORY if workload.shares_memory else None,
        "volumes": _volumes(workload) or None,
        "secrets": [{"source": KEYS, "target": f"{API_KEYS}/{API_KEYS_FILE}"}] if workload.api_keys_secret else None,
        "stop_grace_period": f"{stop_within_s(workload)}s",
        "deploy": {"resources": _resources(workload)},
    }


def _volumes(workload: Workload) -> list[Object]:
    if workload.fetches:
        # A folder and no volume, which would be root's.
        return [{"type": "bind", "source": "./cache", "target": CACHE}]
    if workload.weights_image:
        return [{"type": "image", "source": workload.weights_image, "target": MOUNT, "image": {"subpath": WEIGHTS_IN_IMAGE}}]
    if workload.weights == "mounted":
        return [{"type": "bind", "source": "./weights", "target": MOUNT, "read_only": True}]
    return []


def _resources(workload: Workload) -> Object:
    resources = workload.resources
    limits = {"cpus": str(resources.processors), "memory": f"{resources.memory_mib}M", "pids": MOST_PROCESSES}
    gpus = {"driver": "nvidia", "count": workload.gpus, "capabilities": ["gpu"]}
    return {"limits": limits, "reservations": {"devices": [gpus]} if workload.gpus else None}
