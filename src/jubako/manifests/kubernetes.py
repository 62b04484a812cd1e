"""Kubernetes' objects for one version of a model: it runs, is found, grows with its queue, and survives a drained node."""

from __future__ import annotations

import math

from jubako.manifests.objects import Object
from jubako.manifests.pod import labels, pod_spec, scraped, selector
from jubako.manifests.workload import Workload
from jubako.packaging.dockerfile import GRPC_PORT, HTTP_PORT

MOST_REPLICAS = 4
"""The autoscaler's upper bound, as a multiple of the lower."""

QUEUED_A_POD = 2
"""Requests that wait in a pod, on average, before there is another."""

BUSY = 0.8
"""Share of the slots that may be taken before there is another pod."""


def kubernetes_objects(workload: Workload) -> list[Object]:
    """Everything to apply, in the order in which people read it."""
    return [
        _deployment(workload),
        _service(workload),
        _autoscaler(workload),
        _disruption_budget(workload),
        _network_policy(workload),
    ]


def _object(workload: Workload, api_version: str, kind: str, spec: Object) -> Object:
    metadata = {"name": workload.name, "namespace": workload.namespace or None, "labels": labels(workload)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _deployment(workload: Workload) -> Object:
    # Without `replicas`, which belong to the autoscaler: applying the manifest again must not undo what it chose.
    spec = {
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": max(600, math.ceil(workload.load_timeout_s) + 120),
        # A new pod before an old one leaves; but a GPU is seldom to spare.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1} if workload.gpus else {"maxSurge": 1, "maxUnavailable": 0},
        },
        "selector": {"matchLabels": selector(workload)},
        "template": {"metadata": {"labels": labels(workload), "annotations": scraped()}, "spec": pod_spec(workload)},
    }
    return _object(workload, "apps/v1", "Deployment", spec)


def _service(workload: Workload) -> Object:
    ports = [
        {"name": "http", "port": HTTP_PORT, "targetPort": "http", "appProtocol": "http"},
        {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"},
    ]
    return _object(workload, "v1", "Service", {"type": "ClusterIP", "selector": selector(workload), "ports": ports})


def _autoscaler(workload: Workload) -> Object:
    metrics = [_pods_metric("jubako_requests_queued", QUEUED_A_POD)]
    if slots := _slots(workload):
        metrics.append(_pods_metric("jubako_requests_running", max(math.floor(BUSY * slots), 1)))
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name},
        "minReplicas": workload.replicas,
        "maxReplicas": MOST_REPLICAS * workload.replicas,
        "metrics": metrics,
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {
                "stabilizationWindowSeconds": 300,
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
            },
        },
    }
    return _object(workload, "autoscaling/v2", "HorizontalPodAutoscaler", spec)


def _pods_metric(name: str, average: int) -> Object:
    target = {"type": "AverageValue", "averageValue": str(average)}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}


def _slots(workload: Workload) -> int | None:
    """Requests that one pod's engines take at once, if the entry says."""
    engine = workload.version.engine
    each = workload.model.config.limits.max_concurrency or engine.get("n_parallel") or engine.get("max_num_seqs")
    return int(each) * workload.model.config.instances if each else None


def _disruption_budget(workload: Workload) -> Object:
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector(workload)},
    }
    return _object(workload, "policy/v1", "PodDisruptionBudget", spec)


def _network_policy(workload: Workload) -> Object:
    """In by the two ports; out only where the model must ask others or fetch weights."""
    ports = [{"protocol": "TCP", "port": port} for port in (HTTP_PORT, GRPC_PORT)]
    spec = {
        "podSelector": {"matchLabels": selector(workload)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": ports}],
        "egress": [{}] if workload.calls_out else [],
    }
    return _object(workload, "networking.k8s.io/v1", "NetworkPolicy", spec)
