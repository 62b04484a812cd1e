"""Keys over gRPC: every method of the table, with the official client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from jubako.access.guard import Guard
from jubako.access.scope import ADMIN, ANY_KEY, INFER, METRICS, OPEN, SCOPES, SERVER_ADMIN, Access
from jubako.grpc.front import grpc_server
from jubako.kserve.trace import Tracing
from jubako.protos import inference
from jubako.protos import jubako_v1 as pb
from jubako.settings import Settings
from tests.unit.access.conftest import LIMITED_TO, SECRETS
from tests.unit.http.fake_plane import FakePlane

V1: Final = "/jubako.v1."
V2: Final = "/inference.GRPCInferenceService/"

EXPECTED: Final[dict[str, Access]] = {
    **dict.fromkeys(
        (
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            f"{V2}ServerLive",
            f"{V2}ServerReady",
        ),
        OPEN,
    ),
    **dict.fromkeys((f"{V2}{name}" for name in ("ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig")), ANY_KEY),
    **dict.fromkeys((f"{V1}ModelService/{name}" for name in ("ListModels", "GetModel", "ListVersions")), ANY_KEY),
    **dict.fromkeys((f"{V2}ModelInfer", f"{V2}ModelStreamInfer"), INFER),
    **dict.fromkeys((f"{V1}ChatService/Complete", f"{V1}ChatService/Stream"), INFER),
    **dict.fromkeys((f"{V1}CompletionService/Complete", f"{V1}CompletionService/Stream", f"{V1}EmbeddingService/Embed"), INFER),
    **dict.fromkeys((f"{V1}RerankService/{name}" for name in ("Rerank", "Score", "Classify")), INFER),
    f"{V2}ModelStatistics": METRICS,
    **dict.fromkeys((f"{V2}Repository{name}" for name in ("Index", "ModelLoad", "ModelUnload")), ADMIN),
    **dict.fromkeys(
        (f"{V1}RepositoryService/{name}" for name in ("Index", "Load", "Unload", "SetAlias", "DeleteAlias")),
        ADMIN,
    ),
    **dict.fromkeys(
        (f"{V2}{kind}SharedMemory{name}" for kind in ("System", "Cuda") for name in ("Status", "Register", "Unregister")),
        SERVER_ADMIN,
    ),
    f"{V2}TraceSetting": SERVER_ADMIN,
    f"{V2}LogSettings": SERVER_ADMIN,
}
"""Who may ask each method. One that is new belongs in here too."""

REFUSED: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)

Metadata = tuple[tuple[str, str], ...]


def shown(secret: str) -> Metadata:
    return (("authorization", f"Bearer {secret}"),)


@pytest.fixture
async def plane() -> FakePlane:
    return FakePlane()


@pytest.fixture
async def address(plane: FakePlane, key_path: Path) -> AsyncIterator[str]:
    never = asyncio.Event()

    async def changed() -> None:
        await never.wait()

    server = grpc_server(plane, Settings(access_log=False), changed, Tracing(), Guard(key_path, look_s=0))
    port = await server.start("127.0.0.1", 0)
    yield f"127.0.0.1:{port}"
    await server.stop(1)


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


def endings(address: str, methods: Mapping[str, Access], metadata: Metadata) -> dict[str, grpc.StatusCode]:
    """How each method ends a call with one empty message. On the wire, methods of all kinds are the same.

    Blocks: the client for asyncio says INTERNAL where a server ends a stream that it still writes to.
    """
    codes = {}
    with grpc.insecure_channel(address) as channel:
        for method, access in methods.items():
            stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method, bytes, bytes)
            # Some that are open go on until somebody ends them.
            call = stream(iter([b""]), metadata=metadata, timeout=0.5 if access.is_open else 20)
            with contextlib.suppress(grpc.RpcError):
                list(call)
            codes[method] = call.code()
    return codes


def test_every_method_is_for_whom_it_should_be() -> None:
    async def changed() -> None:
        """Nothing ever does."""

    server = grpc_server(FakePlane(), Settings(), changed, Tracing(), guard=None)
    assert {path: method.access for path, method in server.methods.items()} == EXPECTED


@pytest.mark.parametrize("metadata", [(), shown("jk-nobody"), (("x-api-key", "jk-nobody"),)])
async def test_every_method_refuses_who_has_no_key(address: str, plane: FakePlane, metadata: Metadata) -> None:
    for method, code in (await asyncio.to_thread(endings, address, EXPECTED, metadata)).items():
        if EXPECTED[method].is_open:
            assert code not in REFUSED, method
        else:
            assert code is grpc.StatusCode.UNAUTHENTICATED, method
    assert (plane.asked, plane.loads, plane.shared) == ([], [], [])


@pytest.mark.parametrize("name", [*SCOPES, "everything", "limited"])
async def test_every_method_takes_just_the_keys_that_are_for_it(address: str, name: str) -> None:
    for method, code in (await asyncio.to_thread(endings, address, EXPECTED, shown(SECRETS[name]))).items():
        access = EXPECTED[method]
        has_scope = access.scope is None or name in (access.scope, "everything", "limited")
        if has_scope and not (access.all_models and name == "limited"):
            assert code not in REFUSED, method
        else:
            assert code is grpc.StatusCode.PERMISSION_DENIED, method


@pytest.mark.parametrize(
    ("metadata", "code", "reason"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED, "missing_api_key"),
        (shown("jk-nobody"), grpc.StatusCode.UNAUTHENTICATED, "invalid_api_key"),
        (shown("jk-infer"), grpc.StatusCode.PERMISSION_DENIED, "insufficient_scope"),
    ],
)
async def test_a_refusal_says_why_for_programs_too(
    channel: grpc.aio.Channel, metadata: Metadata, code: grpc.StatusCode, reason: str
) -> None:
    load = channel.unary_unary(f"{V1}RepositoryService/Load", pb.LoadRequest.SerializeToString, pb.LoadResponse.FromString)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await load(pb.LoadRequest(model="talk"), metadata=metadata)
    assert caught.value.code() is code
    status = rpc_status.from_call(cast(grpc.Call, caught.value))
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "jubako")


async def test_what_has_no_method_has_none_with_a_key_or_without(address: str) -> None:
    for metadata in ((), shown("jk-everything")):
        codes = await asyncio.to_thread(endings, address, {f"{V1}Nothing/Nowhere": ANY_KEY}, metadata)
        assert list(codes.values()) == [grpc.StatusCode.UNIMPLEMENTED]


async def test_a_request_is_not_read_before_the_key_is_checked(channel: grpc.aio.Channel) -> None:
    stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"{V2}ModelInfer", bytes, bytes)
    call = stream(timeout=20)  # and not a byte of a message
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "Authorization: Bearer <key>" in await call.details()


async def test_a_limited_key_asks_its_models_only(channel: grpc.aio.Channel, plane: FakePlane) -> None:
    infer = channel.unary_unary(
        f"{V2}ModelInfer", inference.ModelInferRequest.SerializeToString, inference.ModelInferResponse.FromString
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await infer(inference.ModelInferRequest(model_name="identity"), metadata=shown("jk-limited"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "embed" not in (caught.value.details() or "")

    stream = channel.stream_stream(
        f"{V2}ModelStreamInfer", inference.ModelInferRequest.SerializeToString, inference.ModelStreamInferResponse.FromString
    )
    answers = [
        answer
        async for answer in stream(iter([inference.ModelInferRequest(model_name="identity")]), metadata=shown("jk-limited"))
    ]
    assert ["does not exist" in answer.error_message for answer in answers] == [True]
    assert plane.asked == []

    models = channel.unary_unary(
        f"{V1}ModelService/ListModels", pb.ListModelsRequest.SerializeToString, pb.ListModelsResponse.FromString
    )
    assert [model.model for model in (await models(pb.ListModelsRequest(), metadata=shown("jk-limited"))).models] == [LIMITED_TO]
    assert len((await models(pb.ListModelsRequest(), metadata=shown("jk-infer"))).models) > 1


async def test_health_is_open_to_those_who_know_the_name(channel: grpc.aio.Channel) -> None:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
    )
    for service in ("", "talk", "jubako.v1.ChatService"):
        answer = await check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
