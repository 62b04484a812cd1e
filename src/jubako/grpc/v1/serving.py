"""Which version a request means, and whether it does what is asked."""

from __future__ import annotations

from typing import Final

from jubako.dataplane.protocol import Plane
from jubako.dataplane.tasks import require_task
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.fields import require_name
from jubako.messages import Task, VersionStatus

_SERVICES: Final[dict[Task, str]] = {
    "chat": "ChatService",
    "completion": "CompletionService",
    "embedding": "EmbeddingService",
    "score": "RerankService's Rerank and Score",
    "classify": "RerankService's Classify",
    "infer": "inference.GRPCInferenceService",
}


def find(plane: Plane, name: str, call: Call) -> VersionStatus:
    """The version that `name` means; the call's log line will name its model.

    Raises:
        InvalidRequest: there is no name, or it is too long.
        ModelNotFound: no model has that name.
    """
    require_name(name)
    call.asked = name
    status = plane.model(name)
    call.model = status.model
    return status


def serving(plane: Plane, name: str, task: Task, call: Call) -> VersionStatus:
    """As :func:`find`, if the version serves `task`.

    Raises:
        InvalidRequest, ModelNotFound: as there.
        Unsupported: it serves other tasks; the message says where to ask for them.
    """
    status = find(plane, name, call)
    require_task(status, task, name, _SERVICES)
    return status
