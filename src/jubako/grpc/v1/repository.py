"""RepositoryService."""

from __future__ import annotations

from typing import Final

from jubako.dataplane.protocol import Plane
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.fields import require_name
from jubako.grpc.v1.model import shown, versions_of
from jubako.protos import jubako_v1 as pb

SERVICE: Final = "jubako.v1.RepositoryService"


async def index(request: pb.IndexRequest, plane: Plane, call: Call) -> pb.IndexResponse:
    versions = [status for status in plane.index() if status.state == "READY" or not request.ready]
    return pb.IndexResponse(versions=[shown(status) for status in versions])


async def load(request: pb.LoadRequest, plane: Plane, call: Call) -> pb.LoadResponse:
    """Answered once the model can be asked."""
    require_name(request.model)
    call.asked = call.model = request.model
    await plane.load(request.model)
    return pb.LoadResponse(versions=versions_of(request.model, plane))


async def set_alias(request: pb.SetAliasRequest, plane: Plane, call: Call) -> pb.SetAliasResponse:
    """Answered once new requests go to the version."""
    require_name(request.model)
    call.asked = call.model = request.model
    await plane.set_alias(request.model, request.alias, request.version)
    return pb.SetAliasResponse(version=shown(plane.model(f"{request.model}:{request.version}")))


async def delete_alias(request: pb.DeleteAliasRequest, plane: Plane, call: Call) -> pb.DeleteAliasResponse:
    require_name(request.model)
    call.asked = call.model = request.model
    await plane.delete_alias(request.model, request.alias)
    return pb.DeleteAliasResponse()


async def unload(request: pb.UnloadRequest, plane: Plane, call: Call) -> pb.UnloadResponse:
    """Answered once the model's instances are gone."""
    require_name(request.model)
    call.asked = call.model = request.model
    await plane.unload(request.model)
    return pb.UnloadResponse()
