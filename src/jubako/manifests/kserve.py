"""KServe's objects for one version of a model: a runtime of its own, and the service that runs on it."""

from __future__ import annotations

from jubako.manifests.kubernetes import MOST_REPLICAS
from jubako.manifests.objects import Object
from jubako.manifests.pod import container, labels, pod_settings, scraped, volumes
from jubako.manifests.workload import Workload

CONTAINER = "kserve-container"
"""The name by which KServe knows the container that serves."""

FORMATS = {
    "llama_cpp": "gguf",
    "vllm": "huggingface",
    "transformers": "huggingface",
    "lmdeploy": "huggingface",
    "onnx": "onnx",
    "torch": "pytorch",
    "sklearn": "sklearn",
}
"""KServe's names of what the weights are, by backend; of any other, the backend's own."""


def kserve_objects(workload: Workload) -> list[Object]:
    """A ServingRuntime, and an InferenceService on it."""
    return [_runtime(workload), _service(workload)]


def _runtime(workload: Workload) -> Object:
    spec = {
        "annotations": scraped(),
        "supportedModelFormats": [{"name": _format(workload), "version": "1", "autoSelect": False}],
        "protocolVersions": ["v2", "grpc-v2"],
        "multiModel": False,
        "containers": [container(workload, CONTAINER, weights_mounted_by_us=False)],
        "volumes": volumes(workload, weights_mounted_by_us=False),
    }
    return {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": _metadata(workload), "spec": spec}


def _service(workload: Workload) -> Object:
    predictor = {
        **pod_settings(workload),
        "minReplicas": workload.replicas,
        "maxReplicas": MOST_REPLICAS * workload.replicas,
        "model": {
            "modelFormat": {"name": _format(workload), "version": "1"},
            "runtime": workload.name,
            "protocolVersion": "v2",
            "storageUri": _storage(workload),
        },
    }
    metadata = _metadata(workload) | {"annotations": {"serving.kserve.io/deploymentMode": "Standard"}}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": {"predictor": predictor},
    }


def _metadata(workload: Workload) -> dict[str, object]:
    return {"name": workload.name, "namespace": workload.namespace or None, "labels": labels(workload)}


def _format(workload: Workload) -> str:
    backend = workload.model.config.backend
    return FORMATS.get(backend, backend.replace("_", "-"))


def _storage(workload: Workload) -> str | None:
    """Where KServe takes weights from, which it mounts where the container looks for them; none where it has them itself."""
    if workload.weights != "mounted":
        return None
    return f"oci://{workload.weights_image}" if workload.weights_image else f"pvc://{workload.name}-weights"
