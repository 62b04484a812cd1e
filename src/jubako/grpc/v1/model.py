"""ModelService, and how a version is shown."""

from __future__ import annotations

from typing import Final

from jubako.dataplane.protocol import Plane
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.serving import find
from jubako.messages import Task, VersionState, VersionStatus
from jubako.protos import jubako_v1 as pb
from jubako.routing.interface import digest_of
from jubako.tensors import Signature, TensorSpec

SERVICE: Final = "jubako.v1.ModelService"

_TASKS: Final[dict[Task, pb.Task]] = {
    "chat": pb.TASK_CHAT,
    "completion": pb.TASK_COMPLETION,
    "embedding": pb.TASK_EMBEDDING,
    "score": pb.TASK_SCORE,
    "classify": pb.TASK_CLASSIFY,
    "infer": pb.TASK_INFER,
}
_STATES: Final[dict[VersionState, pb.VersionState]] = {
    "LOADING": pb.VERSION_STATE_LOADING,
    "READY": pb.VERSION_STATE_READY,
    "UNAVAILABLE": pb.VERSION_STATE_UNAVAILABLE,
    "FAILED": pb.VERSION_STATE_FAILED,
    "UNLOADED": pb.VERSION_STATE_UNLOADED,
}


async def list_models(request: pb.ListModelsRequest, plane: Plane, call: Call) -> pb.ListModelsResponse:
    return pb.ListModelsResponse(models=[shown(status) for status in plane.models()])


async def get_model(request: pb.GetModelRequest, plane: Plane, call: Call) -> pb.GetModelResponse:
    return pb.GetModelResponse(model=shown(find(plane, request.model, call)))


async def list_versions(request: pb.ListVersionsRequest, plane: Plane, call: Call) -> pb.ListVersionsResponse:
    model = find(plane, request.model, call).model
    return pb.ListVersionsResponse(versions=versions_of(model, plane))


def versions_of(model: str, plane: Plane) -> list[pb.ModelVersion]:
    """All versions of the entry of this name, ascending."""
    return [shown(status) for status in plane.index() if status.model == model]


def shown(status: VersionStatus) -> pb.ModelVersion:
    return pb.ModelVersion(
        model=status.model,
        version=status.version,
        state=_STATES[status.state],
        reason=status.reason,
        served_names=dict.fromkeys([status.model, *status.served_names]),
        tasks=[_TASKS[task] for task in status.tasks],
        backend=status.backend,
        context_length=status.info.context_length if status.info else None,
        signature=_signature(status.info.signature) if status.info and status.info.signature else None,
        adapters=status.adapters,
        created=status.created,
        aliases=status.aliases,
        interface_digest=digest_of(status),
    )


def _signature(signature: Signature) -> pb.Signature:
    return pb.Signature(
        inputs=[_tensor(spec) for spec in signature.inputs],
        outputs=[_tensor(spec) for spec in signature.outputs],
        max_batch_size=signature.max_batch_size,
        decoupled=signature.decoupled,
        platform=signature.platform,
    )


def _tensor(spec: TensorSpec) -> pb.TensorSpec:
    return pb.TensorSpec(
        name=spec.name,
        datatype=spec.datatype,
        shape=spec.shape,
        optional=spec.optional,
        labels=spec.labels,
        description=spec.description,
        ragged=spec.ragged,
        content=spec.content or "",
    )
