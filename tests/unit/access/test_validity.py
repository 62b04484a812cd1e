"""What goes on when a key is revoked, over both doors with the official clients: its answers end, and nobody else's."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import grpc
import httpx
import pytest
import uvicorn
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from openai import APIError, AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from jubako.access.guard import Guard
from jubako.access.key import Key, digest_of
from jubako.access.key_file import KeyFile
from jubako.access.scope import INFER, OPEN
from jubako.errors import Forbidden, Unauthorized
from jubako.grpc.front import grpc_server
from jubako.http.application import application
from jubako.kserve.trace import Tracing
from jubako.messages import Caller, Delta, GenerateEvent, GenerateRequest, InferRequest, InferResult, Usage
from jubako.protos import inference
from jubako.protos import jubako_v1 as pb
from jubako.settings import Settings
from tests.unit.access.conftest import SECRETS, bearer, key
from tests.unit.http.fake_plane import FakePlane

TIMEOUT_S: Final = 60.0
"""Far more than anything here takes."""


class HalfwayPlane(FakePlane):
    """Says half of each answer, and the other half once the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate.clear()
        self.given_up: list[str] = []

    async def stream(self, request: GenerateRequest, caller: Caller) -> AsyncGenerator[list[GenerateEvent]]:
        yield [Delta(index=0, text="half")]
        await self._pass(caller)
        yield [Delta(index=0, text="other", finish_reason="stop"), Usage(1, 2)]

    async def infer_stream(self, request: InferRequest, caller: Caller) -> AsyncGenerator[list[InferResult]]:
        yield [InferResult(outputs=[], parameters={"text_output": "half"})]
        await self._pass(caller)
        yield [InferResult(outputs=[], parameters={"text_output": "other"})]

    async def _pass(self, caller: Caller) -> None:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up.append(caller.request_id)
            raise


@dataclass
class Doors:
    """Both doors of one server, which look at one file of keys."""

    plane: FakePlane
    keys: Path
    url: str
    channel: grpc.aio.Channel
    clients: AsyncExitStack

    async def half(self, name: str) -> AsyncStream[ChatCompletionChunk]:
        """The stream of a chat whose first half has come."""
        client = AsyncOpenAI(base_url=f"{self.url}/v1", api_key=SECRETS[name], timeout=TIMEOUT_S, max_retries=0)
        await self.clients.enter_async_context(client)
        stream = await client.chat.completions.create(
            model="talk", messages=[{"role": "user", "content": "hello"}], stream=True, extra_headers={"x-request-id": name}
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content == "half":
                return stream
        raise AssertionError("the stream has no first half")

    def chat(self, name: str) -> grpc.aio.UnaryStreamCall[Message, pb.ChatChunk]:
        method = self.channel.unary_stream(
            "/jubako.v1.ChatService/Stream", pb.ChatRequest.SerializeToString, pb.ChatChunk.FromString
        )
        asked = pb.ChatRequest(model="talk", messages=[pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="hello")])])
        return method(asked, metadata=self.shown(name), timeout=TIMEOUT_S)

    def stream_infer(self, name: str) -> grpc.aio.StreamStreamCall[Message, inference.ModelStreamInferResponse]:
        method = self.channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            inference.ModelInferRequest.SerializeToString,
            inference.ModelStreamInferResponse.FromString,
        )
        return method(metadata=self.shown(name), timeout=TIMEOUT_S)

    @staticmethod
    def shown(name: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {SECRETS[name]}"), ("x-request-id", name))


@pytest.fixture
async def plane() -> FakePlane:
    return HalfwayPlane()


@pytest.fixture
async def doors(plane: FakePlane, key_path: Path) -> AsyncIterator[Doors]:
    never = asyncio.Event()

    async def changed() -> None:
        await never.wait()

    guard = Guard(key_path)
    settings = Settings(access_log=False)
    grpc_door = grpc_server(plane, settings, changed, Tracing(), guard)
    grpc_port = await grpc_door.start("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = application(plane.lifespan, settings, Tracing(), guard)
        config = uvicorn.Config(gateway, log_level="warning", access_log=False)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel, AsyncExitStack() as clients:
            yield Doors(plane, key_path, f"http://127.0.0.1:{listener.getsockname()[1]}", channel, clients)
        await server.shutdown(sockets=[listener])
    await grpc_door.stop(1)


@pytest.fixture
async def guard(key_path: Path) -> Guard:
    return Guard(key_path)


def rewrite(path: Path, name: str, *keys: Key) -> None:
    """Put `keys` into the place of the key `name`. The server sees the file as it was or as it is then."""
    new = path.with_suffix(".new")
    shutil.copy(path, new)
    KeyFile(new).remove(name)
    for each in keys:
        KeyFile(new).add(each)
    new.rename(path)


def infer_key(name: str, **fields: Any) -> Key:
    """A key with the secret of the key infer."""
    return dataclasses.replace(key("infer"), name=name, **fields)


# --- over HTTP --------------------------------------------------------------------------------------------------------------


async def test_a_revoked_key_ends_its_answer_over_http_and_no_other(doors: Doors) -> None:
    revoked, other = await doors.half("infer"), await doors.half("everything")
    KeyFile(doors.keys).remove("infer")
    with pytest.raises(APIError, match="The key 'infer' was revoked") as caught:
        await anext(aiter(revoked))
    assert (caught.value.code, caught.value.type) == ("invalid_api_key", "authentication_error")
    doors.plane.gate.set()
    said = [chunk.choices[0].delta.content async for chunk in other if chunk.choices]
    assert "other" in said
    assert cast(HalfwayPlane, doors.plane).given_up == ["infer"], "and the engine works for nobody's answer"


async def test_a_revoked_key_ends_a_stream_of_kserve_in_its_own_form(doors: Doors) -> None:
    async with (
        httpx.AsyncClient(base_url=doors.url, timeout=TIMEOUT_S) as client,
        client.stream(
            "POST", "/v2/models/many/generate_stream", json={"text_input": ["hello"]}, headers=bearer("infer")
        ) as answer,
    ):
        assert answer.status_code == 200
        events = (json.loads(line.removeprefix("data: ")) async for line in answer.aiter_lines() if line)
        assert (await anext(events))["text_output"] == "half"
        KeyFile(doors.keys).remove("infer")
        assert "The key 'infer' was revoked" in (await anext(events))["error"]
        assert [event async for event in events] == []


async def test_a_stream_that_still_waits_is_refused_as_if_it_came_now(key_path: Path) -> None:
    plane = FakePlane()
    plane.gate.clear()
    guard = Guard(key_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application(plane.lifespan, Settings(access_log=False), Tracing(), guard), log_level="warning")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as client:
            body = {"model": "talk", "messages": [{"role": "user", "content": "hello"}], "stream": True}
            asking = asyncio.create_task(client.post("/v1/chat/completions", json=body, headers=bearer("infer")))
            await asyncio.wait_for(plane.begun.wait(), TIMEOUT_S)
            KeyFile(key_path).remove("infer")
            answer = await asking
        await server.shutdown(sockets=[listener])
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert plane.cancelled.is_set()


# --- over gRPC --------------------------------------------------------------------------------------------------------------


async def test_a_revoked_key_ends_its_answer_over_grpc_and_no_other(doors: Doors) -> None:
    revoked, other = doors.chat("infer"), doors.chat("everything")
    for call in (revoked, other):
        assert cast(pb.ChatChunk, await call.read()).deltas[0].text == "half"
    KeyFile(doors.keys).remove("infer")
    with pytest.raises(grpc.aio.AioRpcError, match="The key 'infer' was revoked") as caught:
        await revoked.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    status = rpc_status.from_call(cast(grpc.Call, caught.value))
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert info.reason == "invalid_api_key"
    doors.plane.gate.set()
    assert cast(pb.ChatChunk, await other.read()).deltas[0].text == "other"
    assert await other.code() is grpc.StatusCode.OK
    assert cast(HalfwayPlane, doors.plane).given_up == ["infer"]


async def test_a_revoked_key_ends_a_stream_of_requests_with_what_it_answers(doors: Doors) -> None:
    call = doors.stream_infer("infer")
    await call.write(inference.ModelInferRequest(model_name="many"))
    answer = cast(inference.ModelStreamInferResponse, await call.read())
    assert answer.infer_response.parameters["text_output"].string_param == "half"
    KeyFile(doors.keys).remove("infer")
    with pytest.raises(grpc.aio.AioRpcError, match="The key 'infer' was revoked"):
        await call.read()
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
    assert cast(HalfwayPlane, doors.plane).given_up == ["infer"]


async def test_a_revoked_key_ends_a_stream_of_requests_on_which_nothing_comes(doors: Doors) -> None:
    call = doors.stream_infer("infer")
    await call.write(inference.ModelInferRequest(model_name="nowhere"))
    assert "does not exist" in cast(inference.ModelStreamInferResponse, await call.read()).error_message
    KeyFile(doors.keys).remove("infer")
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


# --- what else may happen to keys -------------------------------------------------------------------------------------------


async def test_a_rotated_key_ends_nothing(doors: Doors) -> None:
    """The old one is listed still, under another name and with an end; the new one has its name."""
    rotated, over_grpc, gone = await doors.half("infer"), doors.chat("infer"), await doors.half("everything")
    assert cast(pb.ChatChunk, await over_grpc.read()).deltas[0].text == "half"
    later = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    rewrite(doors.keys, "infer", infer_key("infer-old", expires=later), Key("infer", digest_of(b"jk-new"), ("infer",)))
    KeyFile(doors.keys).remove("everything")
    with pytest.raises(APIError, match="'everything' was revoked"):  # so the keys were compared with what goes on
        await anext(aiter(gone))
    doors.plane.gate.set()
    assert "other" in [chunk.choices[0].delta.content async for chunk in rotated if chunk.choices]
    assert cast(pb.ChatChunk, await over_grpc.read()).deltas[0].text == "other"
    assert await over_grpc.code() is grpc.StatusCode.OK


async def test_a_key_that_is_given_an_end_in_the_past_has_expired(doors: Doors) -> None:
    stream, call = await doors.half("infer"), doors.chat("infer")
    assert cast(pb.ChatChunk, await call.read()).deltas[0].text == "half"
    before = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
    rewrite(doors.keys, "infer", infer_key("infer", expires=before))
    with pytest.raises(APIError, match="The key 'infer' has expired") as caught:
        await anext(aiter(stream))
    assert caught.value.code == "expired_api_key"
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


async def forever(guard: Guard, key: Key) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        with guard.while_valid(key, INFER):
            await asyncio.Event().wait()


async def test_a_key_expires_although_nobody_writes_the_file(key_path: Path) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    passing = Key("soon", digest_of(b"soon"), ("infer",), expires=soon)
    KeyFile(key_path).add(passing)
    with pytest.raises(Unauthorized, match="The key 'soon' has expired"):
        await forever(Guard(key_path), passing)
    assert datetime.now(UTC) >= soon


async def test_a_key_that_loses_its_scope_or_its_model_ends_what_it_began(guard: Guard, key_path: Path) -> None:
    began = guard.identify(INFER, b"Bearer jk-infer", b"")
    rewrite(key_path, "infer", infer_key("infer", scopes=("metrics",)))
    with pytest.raises(Forbidden, match="this takes one with the scope infer"):
        await forever(guard, began)
    rewrite(key_path, "infer", infer_key("infer", models=("talk",)))
    with pytest.raises(Unauthorized, match="revoked or changed"):
        await forever(guard, began)


async def reviewed(guard: Guard) -> None:
    """Returns once the keys were compared with what goes on: what a key began that is none has ended."""
    with pytest.raises(Unauthorized):
        await forever(guard, Key("nobody", b"", ("infer",)))


async def test_a_key_that_gains_a_model_and_what_is_open_end_nothing(guard: Guard, key_path: Path) -> None:
    limited, infer = (guard.identify(INFER, b"", SECRETS[name].encode()) for name in ("limited", "infer"))
    with guard.while_valid(limited, INFER), guard.while_valid(infer, OPEN):
        rewrite(key_path, "limited", dataclasses.replace(limited, models=("more", *limited.models)))
        KeyFile(key_path).remove("infer")
        await reviewed(guard)
        await asyncio.sleep(0)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("[keys")])
async def test_a_file_that_can_t_be_used_ends_nothing(guard: Guard, key_path: Path, spoil: Callable[[Path], object]) -> None:
    with guard.while_valid(guard.identify(INFER, b"Bearer jk-infer", b""), INFER):
        spoil(key_path)
        await reviewed(guard)
        await asyncio.sleep(0)


async def test_who_is_cancelled_for_another_reason_is_cancelled(guard: Guard) -> None:
    work = asyncio.create_task(forever(guard, guard.identify(INFER, b"Bearer jk-infer", b"")))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
