"""grpc.health.v1 and grpc.reflection, asked by their official clients."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.unit.grpc.conftest import Serving
from tests.unit.grpc.peer import PATIENCE_S

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def health(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


def service(name: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


@pytest.mark.parametrize("name", ["", "inference.GRPCInferenceService", "jubako.v1.ChatService", "identity", "identity:3"])
async def test_what_is_there_serves(health: Any, name: str) -> None:
    assert (await health.Check(service(name))).status == SERVING


async def test_the_server_serves_when_it_is_ready(health: Any, serving: Serving) -> None:
    serving.plane.is_ready = False
    assert (await health.Check(service(""))).status == NOT_SERVING
    assert (await health.Check(service("identity"))).status == SERVING


async def test_an_unknown_service(health: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(service("nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watching_a_model_that_fails_and_the_server_that_leaves(health: Any, serving: Serving) -> None:
    watched = health.Watch(service("talk"))
    assert (await watched.read()).status == SERVING
    serving.tell_of_change()  # of something else
    serving.plane.statuses[0] = msgspec.structs.replace(serving.plane.statuses[0], state="FAILED")
    serving.tell_of_change()
    assert (await watched.read()).status == NOT_SERVING
    stopping = asyncio.create_task(serving.server.stop(10 * PATIENCE_S))
    assert (await watched.read()).status == NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watched.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await asyncio.wait_for(stopping, PATIENCE_S)


async def test_reflection_describes_what_is_served(serving: Serving) -> None:
    def look() -> tuple[list[str], list[str], str]:
        with grpc.insecure_channel(serving.address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            file = database.FindFileContainingSymbol("inference.GRPCInferenceService")
            imported = database.FindFileByName("inference/infer.proto")
            with pytest.raises(KeyError):
                database.FindFileContainingSymbol("inference.Nothing")
            return list(database.get_services()), [method.name for method in file.service[0].method], imported.package

    services, methods, package = await asyncio.to_thread(look)
    assert services == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "inference.GRPCInferenceService",
        *[f"jubako.v1.{kind}Service" for kind in ("Chat", "Completion", "Embedding", "Model", "Repository", "Rerank")],
    ]
    assert "ModelStreamInfer" in methods
    assert package == "inference"
