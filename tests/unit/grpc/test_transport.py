"""HTTP/2 as no well-behaved client speaks it, and the end of a server."""

from __future__ import annotations

import asyncio
import contextlib
import re

import grpc
import hpack
import pytest
import tritonclient.grpc.aio as triton

from jubako.grpc.transport import frames
from jubako.protos import inference as pb
from jubako.settings import Settings
from tests.unit.grpc.conftest import Serving, stream_infer, unary
from tests.unit.grpc.peer import PATIENCE_S, Peer
from tests.unit.grpc.test_inference import ROW, row

LIVE = "/inference.GRPCInferenceService/ServerLive"
INFER = "/inference.GRPCInferenceService/ModelInfer"


async def test_what_is_not_http2_is_told_so(peer: Peer) -> None:
    peer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert await peer.farewell() == (frames.PROTOCOL_ERROR, "This port speaks gRPC, which is HTTP/2, without TLS.")


def _frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    return frames.frame(kind, flags, number, payload)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_frame(frames.DATA, 0, 0, b"x"), frames.PROTOCOL_ERROR),
        (_frame(frames.DATA, 0, 1, b"x"), frames.PROTOCOL_ERROR),
        (frames.head(70_000, frames.DATA, 0, 1), frames.FRAME_SIZE_ERROR),
        (_frame(frames.HEADERS, frames.END_HEADERS, 2, b""), frames.PROTOCOL_ERROR),
        (_frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff"), frames.COMPRESSION_ERROR),
        (_frame(frames.HEADERS, frames.END_HEADERS, 1, b"\x80"), frames.COMPRESSION_ERROR),
        (_frame(frames.HEADERS, frames.PADDED | frames.END_HEADERS, 1, b"\x05ab"), frames.PROTOCOL_ERROR),
        (_frame(frames.HEADERS, 0, 1, b"") + _frame(frames.PING, 0, 0, bytes(8)), frames.PROTOCOL_ERROR),
        (_frame(frames.CONTINUATION, 0, 1, b""), frames.PROTOCOL_ERROR),
        (_frame(frames.HEADERS, 0, 1, b"a") + 9 * _frame(frames.CONTINUATION, 0, 1, bytes(16_000)), frames.ENHANCE_YOUR_CALM),
        (_frame(frames.HEADERS, 0, 1, b"a") + _frame(frames.CONTINUATION, 0, 1, b""), frames.ENHANCE_YOUR_CALM),
        (_frame(frames.RST_STREAM, 0, 1, bytes(4)), frames.PROTOCOL_ERROR),
        (_frame(frames.SETTINGS, 0, 0, b"abc"), frames.FRAME_SIZE_ERROR),
        (frames.settings({frames.INITIAL_WINDOW_SIZE: 2**31}), frames.FLOW_CONTROL_ERROR),
        (frames.settings({frames.MAX_FRAME_SIZE: 1}), frames.PROTOCOL_ERROR),
        (_frame(frames.PING, 0, 0, b"1234567"), frames.FRAME_SIZE_ERROR),
        (frames.window_update(0, 0), frames.PROTOCOL_ERROR),
        (frames.window_update(0, 2**31 - 1), frames.FLOW_CONTROL_ERROR),
        (_frame(frames.WINDOW_UPDATE, 0, 0, b"a"), frames.FRAME_SIZE_ERROR),
        (_frame(frames.PUSH_PROMISE, 0, 1, b""), frames.PROTOCOL_ERROR),
    ],
)
async def test_a_violation_ends_the_connection_and_no_other(peer: Peer, serving: Serving, data: bytes, code: int) -> None:
    peer.greet()
    peer.write(data)
    assert (await peer.farewell())[0] == code
    async with triton.InferenceServerClient(serving.address) as client:
        assert await client.is_server_live()


async def test_headers_that_expand_without_end_are_refused(peer: Peer) -> None:
    peer.greet()
    bomb = hpack.Encoder().encode([("x", "y" * 4000)]) + b"\xbe" * 40
    peer.write(_frame(frames.HEADERS, frames.END_HEADERS, 1, bomb))
    assert (await peer.farewell())[0] == frames.ENHANCE_YOUR_CALM


async def test_a_client_that_only_resets_its_calls_is_hung_up_on(peer: Peer, serving: Serving) -> None:
    peer.greet()
    for number in range(1, 2 * 1100, 2):
        peer.write(_frame(frames.HEADERS, frames.END_HEADERS, number, peer.block("/inference.GRPCInferenceService/ModelInfer")))
        peer.write(_frame(frames.RST_STREAM, 0, number, bytes(4)))
    assert (await peer.farewell())[0] == frames.ENHANCE_YOUR_CALM
    async with triton.InferenceServerClient(serving.address) as client:
        assert await client.is_server_live()


async def test_a_client_that_reads_late_still_learns_why(peer: Peer) -> None:
    peer.greet()
    await peer.read(frames.SETTINGS)
    peer.write(b"\0\0\0\x05" + bytes(5))  # a push promise
    for _ in range(3):
        await asyncio.sleep(0.5)
        peer.write(bytes(700_000))
    assert "Clients promise nothing" in (await peer.farewell())[1]


async def test_pings_settings_padding_and_unknown_frames(peer: Peer) -> None:
    peer.greet()
    peer.write(_frame(200, 0, 0, b"whatever") + _frame(frames.PRIORITY, 0, 1, bytes(5)) + _frame(frames.PING, 0, 0, b"01234567"))
    assert (await peer.read(frames.PING))[3] == b"01234567"
    block = peer.block(LIVE)
    half = len(block) // 2
    flags = frames.PADDED | frames.WITH_PRIORITY
    peer.write(_frame(frames.HEADERS, flags, 1, b"\x03" + bytes(5) + block[:half] + bytes(3)))
    peer.write(_frame(frames.CONTINUATION, frames.END_HEADERS, 1, block[half:]))
    for byte in bytes(5):  # a message in pieces
        peer.write(_frame(frames.DATA, frames.PADDED, 1, bytes([2, byte, 0, 0])))
    peer.write(_frame(frames.DATA, frames.END_STREAM, 1, b""))
    assert (await peer.status(1))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"grpc_encoding": "snappy"}, "12"), ({"grpc_timeout": "soon"}, "13"), ({"grpc_timeout": "1n"}, "4")],
)
async def test_headers_that_end_a_call(peer: Peer, serving: Serving, headers: dict[str, str], code: str) -> None:
    serving.plane.gate.clear()
    peer.greet()
    message = pb.ModelInferRequest(model_name="identity")
    peer.call(1, INFER, message.SerializeToString(), **headers)
    assert (await peer.status(1))["grpc-status"] == code


async def test_a_call_without_a_message_or_with_half_of_one(peer: Peer) -> None:
    peer.greet()
    peer.write(_frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, peer.block(LIVE)))
    assert (await peer.status(1))["grpc-status"] == "13"
    peer.write(_frame(frames.HEADERS, frames.END_HEADERS, 3, peer.block(LIVE)))
    peer.write(_frame(frames.DATA, frames.END_STREAM, 3, b"\0\0\0"))
    assert (await peer.status(3))["grpc-message"] == "The request ends in the middle of a message."


async def test_what_is_not_grpc_has_a_status_of_http(peer: Peer) -> None:
    peer.greet()
    peer.write(_frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, peer.block(LIVE, content_type="text/html")))
    assert (await peer.status(1))[":status"] == "415"


async def test_answers_wait_for_the_client_s_windows(peer: Peer) -> None:
    peer.greet({frames.INITIAL_WINDOW_SIZE: 10})
    message = pb.ModelInferRequest(model_name="identity", raw_input_contents=[ROW.tobytes()])
    message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 16])
    peer.call(1, INFER, message.SerializeToString())
    assert len((await peer.read(frames.DATA))[3]) == 10
    peer.call(3, LIVE)  # not held up, and small enough for its own window
    assert (await peer.status(3))["grpc-status"] == "0"
    peer.write(frames.window_update(1, 7))
    assert len((await peer.read(frames.DATA))[3]) == 7
    peer.write(frames.settings({frames.INITIAL_WINDOW_SIZE: 1000}))
    assert len((await peer.read(frames.DATA))[3]) > 60
    assert (await peer.status(1))["grpc-status"] == "0"


async def test_new_settings_are_confirmed_before_they_are_used(peer: Peer) -> None:
    peer.greet({frames.INITIAL_WINDOW_SIZE: 10})
    await peer.read(frames.SETTINGS)
    await peer.read(frames.SETTINGS)
    message = pb.ModelInferRequest(model_name="identity", raw_input_contents=[ROW.tobytes()])
    message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 16])
    peer.call(1, INFER, message.SerializeToString())
    await peer.read(frames.DATA)
    peer.write(frames.settings({frames.INITIAL_WINDOW_SIZE: 1000}))
    assert (await peer.read(frames.SETTINGS, frames.DATA))[:2] == (frames.SETTINGS, frames.ACK)
    assert (await peer.status(1))["grpc-status"] == "0"


class TestFewStreams:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(access_log=False, grpc_max_concurrent_streams=2)

    async def test_calls_beyond_the_limit_are_refused_untouched(self, peer: Peer, serving: Serving) -> None:
        serving.plane.gate.clear()
        peer.greet()
        message = pb.ModelInferRequest(model_name="identity").SerializeToString()
        for number in (1, 3, 5):
            peer.call(number, INFER, message)
        assert (await peer.read(frames.RST_STREAM))[2:] == (5, frames.U32.pack(frames.REFUSED_STREAM))
        peer.write(frames.reset(1, frames.CANCEL))
        peer.call(7, LIVE)
        assert (await peer.status(7))["grpc-status"] == "0"


class TestKeepalive:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(access_log=False, grpc_keepalive_s=0.05, grpc_keepalive_timeout_s=1)

    async def test_a_silent_client_is_asked_and_then_left(self, peer: Peer) -> None:
        peer.greet()
        await peer.read(frames.PING)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await peer.read(frames.GOAWAY)  # there is none, nor anything else


class TestLeaving:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(access_log=False, grpc_keepalive_s=1000, grpc_keepalive_timeout_s=0.2)

    async def test_a_client_that_has_vanished_does_not_hold_up_the_end(self, peer: Peer, serving: Serving) -> None:
        peer.greet()
        peer.call(1, LIVE)
        assert (await peer.status(1))["grpc-status"] == "0"
        # It is still connected, and never says that it has read that the server leaves.
        await asyncio.wait_for(serving.server.stop(10 * PATIENCE_S), PATIENCE_S)


async def test_a_server_that_stops_finishes_what_it_has(serving: Serving, client: triton.InferenceServerClient) -> None:
    serving.plane.gate.clear()
    answer = asyncio.ensure_future(client.infer("identity", [row()]))
    await asyncio.wait_for(serving.plane.begun.wait(), PATIENCE_S)
    stopping = asyncio.create_task(serving.server.stop(10 * PATIENCE_S))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", serving.port)
    serving.plane.gate.set()
    assert (await answer).as_numpy("INPUT0").shape == (1, 16)
    await asyncio.wait_for(stopping, PATIENCE_S)


async def test_what_outlives_the_grace_period_is_told(serving: Serving, channel: grpc.aio.Channel) -> None:
    serving.plane.gate.clear()
    message = pb.ModelInferRequest(model_name="identity").SerializeToString()
    call = unary(channel, "ModelInfer")(message)
    await asyncio.wait_for(serving.plane.begun.wait(), PATIENCE_S)
    await serving.server.stop(0.05)
    with pytest.raises(grpc.aio.AioRpcError, match="shut down before the answer was complete") as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


async def test_an_idle_stream_does_not_hold_up_the_end(serving: Serving, channel: grpc.aio.Channel) -> None:
    stream = stream_infer(channel)
    await stream.write(pb.ModelInferRequest(model_name="nope").SerializeToString())
    answer = await stream.read()
    assert isinstance(answer, bytes)
    assert pb.ModelStreamInferResponse.FromString(answer).error_message
    await asyncio.wait_for(serving.server.stop(10 * PATIENCE_S), PATIENCE_S)
    with pytest.raises(grpc.aio.AioRpcError, match="shutting down") as caught:
        await stream.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_that_vanishes_ends_its_work(peer: Peer, serving: Serving) -> None:
    serving.plane.gate.clear()
    peer.greet()
    peer.call(1, INFER, pb.ModelInferRequest(model_name="identity").SerializeToString())
    await asyncio.wait_for(serving.plane.begun.wait(), PATIENCE_S)
    peer.close()
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


@pytest.mark.parametrize("given", ["trace-7", "~" * 128])
@pytest.mark.parametrize("method", ["ServerLive", "ModelInfer"])
async def test_a_client_s_request_id_is_taken_and_sent_back(channel: grpc.aio.Channel, given: str, method: str) -> None:
    call = unary(channel, method)(b"", metadata=[("x-request-id", given)])
    assert dict(await metadata_of(call))["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "two words", "~" * 129])
async def test_another_request_id_is_replaced(channel: grpc.aio.Channel, given: str) -> None:
    call = unary(channel, "ServerLive")(b"", metadata=[("x-request-id", given)])
    assert re.fullmatch("[0-9a-f]{24}", str(dict(await metadata_of(call))["x-request-id"]))


async def test_the_request_id_reaches_the_plane(channel: grpc.aio.Channel, serving: Serving) -> None:
    message = pb.ModelInferRequest(model_name="identity").SerializeToString()
    await unary(channel, "ModelInfer")(message, metadata=[("x-request-id", "trace-7")])
    assert [caller.request_id for caller in serving.plane.callers] == ["trace-7"]


async def metadata_of(call: grpc.aio.UnaryUnaryCall[bytes, bytes]) -> list[tuple[str, str | bytes]]:
    """All that the server sent beside the answer: before it, or with an error instead of one."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call
    return [*await call.initial_metadata(), *await call.trailing_metadata()]
