"""What an orchestrator is told to run one version of a model: Compose, Kubernetes and KServe."""

from jubako.manifests.compose import compose_file
from jubako.manifests.kserve import kserve_objects
from jubako.manifests.kubernetes import kubernetes_objects
from jubako.manifests.objects import Object, as_yaml
from jubako.manifests.workload import Workload

__all__ = ["Object", "Workload", "as_yaml", "compose_file", "kserve_objects", "kubernetes_objects"]
