"""The server itself, and its repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jubako import __version__
from jubako.dataplane.protocol import Plane
from jubako.errors import Unsupported
from jubako.grpc.inference.models import require_short
from jubako.grpc.transport.call import Call
from jubako.kserve.extensions import EXTENSIONS
from jubako.messages import VersionState, VersionStatus
from jubako.protos import inference as pb

# The protocol has fewer states than we: what can't be asked is unavailable, and the reason says why.
_STATES: Final[dict[VersionState, str]] = {
    "LOADING": "LOADING",
    "READY": "READY",
    "UNAVAILABLE": "UNAVAILABLE",
    "FAILED": "UNAVAILABLE",
    "UNLOADED": "UNAVAILABLE",
}

_HTTP_ONLY: Final = ("binary_tensor_data", "generate")


async def server_live(request: pb.ServerLiveRequest, plane: Plane, call: Call) -> pb.ServerLiveResponse:
    return pb.ServerLiveResponse(live=True)


async def server_ready(request: pb.ServerReadyRequest, plane: Plane, call: Call) -> pb.ServerReadyResponse:
    return pb.ServerReadyResponse(ready=plane.ready())


async def server_metadata(request: pb.ServerMetadataRequest, plane: Plane, call: Call) -> pb.ServerMetadataResponse:
    extensions = [name for name in EXTENSIONS if name not in _HTTP_ONLY]
    return pb.ServerMetadataResponse(name="jubako", version=__version__, extensions=extensions)


async def repository_index(request: pb.RepositoryIndexRequest, plane: Plane, call: Call) -> pb.RepositoryIndexResponse:
    versions = [status for status in plane.index() if status.state == "READY" or not request.ready]
    return pb.RepositoryIndexResponse(models=[_indexed(status) for status in versions])


async def repository_load(request: pb.RepositoryModelLoadRequest, plane: Plane, call: Call) -> pb.RepositoryModelLoadResponse:
    """Answered once the model can be asked."""
    _refuse_parameters(
        request.parameters,
        "This server loads what the repository's folder has. Change the entry there, then load it without parameters.",
    )
    require_short(request.model_name)
    call.model = request.model_name
    await plane.load(request.model_name)
    return pb.RepositoryModelLoadResponse()


async def repository_unload(
    request: pb.RepositoryModelUnloadRequest, plane: Plane, call: Call
) -> pb.RepositoryModelUnloadResponse:
    """Answered once the model's instances are gone."""
    _refuse_parameters(request.parameters, "Unload the other models one by one.")
    require_short(request.model_name)
    call.model = request.model_name
    await plane.unload(request.model_name)
    return pb.RepositoryModelUnloadResponse()


def _refuse_parameters(parameters: Mapping[str, pb.ModelRepositoryParameter], instead: str) -> None:
    """False is what clients write for what they don't ask for."""
    for name, parameter in parameters.items():
        if parameter.WhichOneof("parameter_choice") != "bool_param" or parameter.bool_param:
            raise Unsupported(f"The parameter {name!r} is not supported. {instead}", param=name)


def _indexed(status: VersionStatus) -> pb.RepositoryIndexResponse.ModelIndex:
    reason = status.reason or ("unloaded" if status.state == "UNLOADED" else "")
    return pb.RepositoryIndexResponse.ModelIndex(
        name=status.model, version=str(status.version), state=_STATES[status.state], reason=reason
    )
