"""Which version a request means, and whether it does what is asked."""

from __future__ import annotations

from typing import Final

from jubako.dataplane.protocol import Plane
from jubako.dataplane.tasks import require_task
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.fields import require
from jubako.messages import Task, VersionStatus

_SERVICES: Final[dict[Task, str]] = {
    "chat": "ChatService",
    "completion": "CompletionService",
    "embedding": "EmbeddingService",
    "score": "RerankService's Rerank and Score",
    "classify": "RerankService's Classify",
    "infer": "inference.GRPCInferenceService",
}


def serving(plane: Plane, name: str, task: Task, call: Call) -> VersionStatus:
    """The version that `name` means, if it serves `task`; the call's log line will name it.

    Raises:
        InvalidRequest: there is no name.
        ModelNotFound: no model has that name.
        Unsupported: it serves other tasks; the message says where to ask for them.
    """
    require(name, "model")
    status = plane.model(name)
    call.model = status.model
    require_task(status, task, name, _SERVICES)
    return status
