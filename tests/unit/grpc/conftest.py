"""A gRPC server over a data plane in memory, on the test's own event loop, and a channel of the official client to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
import tritonclient.grpc.aio as triton
import uvloop

from jubako.grpc.front import grpc_server
from jubako.grpc.transport.server import Server
from jubako.kserve.trace import Tracing
from jubako.settings import Settings
from tests.unit.grpc.peer import Peer
from tests.unit.http.fake_plane import FakePlane


class Serving:
    """What a test asks: the plane behind the server, and where it listens. `changes` wakes those that watch health."""

    def __init__(self, plane: FakePlane, server: Server, port: int, changes: asyncio.Event) -> None:
        self.plane = plane
        self.server = server
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self._changes = changes

    def tell_of_change(self) -> None:
        self._changes.set()
        self._changes.clear()


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Gateways have uvloop's loop where there is one. TLS is the loop's own, and so is what a connection that breaks does."""
    if item.path.name in ("test_abuse.py", "test_tls.py", "test_transport.py"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def settings() -> Settings:
    return Settings(access_log=False, grpc_max_message_bytes=1024 * 1024)


@pytest.fixture
async def serving(settings: Settings) -> AsyncIterator[Serving]:
    plane, changes = FakePlane(), asyncio.Event()

    async def changed() -> None:
        await changes.wait()

    server = grpc_server(plane, settings, changed, Tracing(), guard=None)
    port = await server.start("127.0.0.1", 0)
    yield Serving(plane, server, port, changes)
    await server.stop(1)


@pytest.fixture
async def channel(serving: Serving) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(serving.address) as channel:
        yield channel


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[triton.InferenceServerClient]:
    async with triton.InferenceServerClient(serving.address) as client:
        yield client


@pytest.fixture
async def peer(serving: Serving) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    peer = Peer(reader, writer)
    yield peer
    peer.close()
    await writer.wait_closed()


def unary(channel: grpc.aio.Channel, method: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    """A method of the inference service, from bytes to bytes."""
    return channel.unary_unary(f"/inference.GRPCInferenceService/{method}", bytes, bytes)


def stream_infer(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall[bytes, bytes]:
    """A stream that is open."""
    stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
    stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer", bytes, bytes)
    return stream()
