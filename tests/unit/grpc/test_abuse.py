"""Little that a client sends must not cost the server much, whatever it is."""

from __future__ import annotations

import asyncio
import random
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import hpack
import pytest

from jubako.grpc.inference.wire import parse_infer
from jubako.grpc.transport import frames
from jubako.grpc.transport.headers import HeaderReader
from jubako.protos import inference as pb
from jubako.settings import Settings
from tests.unit.grpc.conftest import Serving
from tests.unit.grpc.peer import PATIENCE_S, Peer

SERVICE = "/inference.GRPCInferenceService/"
LIVE, INFER, STREAM = (SERVICE + method for method in ("ServerLive", "ModelInfer", "ModelStreamInfer"))
CHAT_STREAM = "/jubako.v1.ChatService/Stream"

EMPTY_MESSAGE = bytes(5)


@contextmanager
def remembering_at_most(size: int) -> Iterator[None]:
    """What is allocated meanwhile, and is not given back by the end, must be less than `size` bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[0] < size
    finally:
        tracemalloc.stop()


def opened(peer: Peer, number: int, path: str) -> bytes:
    return frames.frame(frames.HEADERS, frames.END_HEADERS, number, peer.block(path))


def data(number: int, content: bytes, flags: int = 0) -> bytes:
    return frames.frame(frames.DATA, flags, number, content)


async def settled(peer: Peer) -> list[tuple[int, int, int, bytes]]:
    """The server has handled all that was sent: the frames that came until it said so."""
    peer.write(frames.frame(frames.PING, 0, 0, b"are you?"))
    every = range(10)
    come = []
    while (frame := await peer.read(*every))[0] != frames.PING or frame[3] != b"are you?":
        come.append(frame)
    return come


async def test_a_length_is_not_believed(peer: Peer) -> None:
    peer.greet()
    await settled(peer)
    with remembering_at_most(16 * 1024 * 1024):
        for number in range(1, 400, 2):
            peer.write(opened(peer, number, INFER) + data(number, struct.pack(">BI", 0, 1024 * 1024) + b"x"))
        await settled(peer)


async def test_a_second_message_ends_a_call_that_takes_one(peer: Peer) -> None:
    peer.greet()
    peer.write(opened(peer, 1, INFER) + data(1, 2 * EMPTY_MESSAGE))
    assert (await peer.status(1))["grpc-message"] == "The method takes one message; 2 came."


async def test_empty_messages_that_nobody_reads_fill_the_window(peer: Peer) -> None:
    peer.greet({frames.INITIAL_WINDOW_SIZE: 0})  # so that no answer can be sent, and none of the requests is over
    peer.write(opened(peer, 1, STREAM))
    for _ in range(60):
        peer.write(data(1, EMPTY_MESSAGE * 3000))
    assert [frame for frame in await settled(peer) if frame[0] == frames.WINDOW_UPDATE and frame[2] == 1] == []


async def test_padding_is_given_back(peer: Peer) -> None:
    peer.greet()
    peer.write(opened(peer, 1, INFER) + data(1, struct.pack(">BI", 0, 10_000)))
    for _ in range(2500):
        peer.write(data(1, b"\xffx" + bytes(255), frames.PADDED))
    _, _, number, size = await peer.read(frames.WINDOW_UPDATE)
    while number != 1:
        _, _, number, size = await peer.read(frames.WINDOW_UPDATE)
    assert frames.U32.unpack(size)[0] > 500_000


async def test_who_needs_no_key_sends_nothing_large(peer: Peer) -> None:
    peer.greet()
    peer.write(opened(peer, 1, LIVE) + data(1, struct.pack(">BI", 0, 100_000)))
    assert (await peer.status(1))["grpc-status"] == "8"


async def test_a_window_that_shrinks_holds_what_was_about_to_go(peer: Peer) -> None:
    peer.greet({frames.INITIAL_WINDOW_SIZE: 1_000_000})
    tensor = bytes(4 * 16 * 2000)
    message = pb.ModelInferRequest(model_name="identity", raw_input_contents=[tensor])
    message.inputs.add(name="INPUT0", datatype="FP32", shape=[2000, 16])
    content = message.SerializeToString()
    peer.write(opened(peer, 1, INFER))
    content = struct.pack(">BI", 0, len(content)) + content
    for start in range(0, len(content), 16_000):
        peer.write(data(1, content[start : start + 16_000]))
    peer.write(data(1, b"", frames.END_STREAM))
    come = 0
    while come < frames.DEFAULT_WINDOW:  # that of the connection
        come += len((await peer.read(frames.DATA))[3])
    peer.write(frames.settings({frames.INITIAL_WINDOW_SIZE: 1000}))
    await settled(peer)
    peer.write(frames.window_update(0, 1_000_000))
    assert [frame[0] for frame in await settled(peer) if frame[0] == frames.DATA] == []
    peer.write(frames.settings({frames.INITIAL_WINDOW_SIZE: 1_000_000}))
    assert (await peer.status(1))["grpc-status"] == "0"


async def test_settings_cost_the_same_however_many_calls_there_are(peer: Peer) -> None:
    peer.greet()
    for number in range(1, 1600, 2):
        peer.write(opened(peer, number, STREAM))
    flood = frames.SETTING.pack(frames.INITIAL_WINDOW_SIZE, 1) + frames.SETTING.pack(frames.INITIAL_WINDOW_SIZE, 2)
    begun_s = time.thread_time()
    for _ in range(50):
        peer.write(frames.frame(frames.SETTINGS, 0, 0, flood * 5000))
    for _ in range(1 + 1 + 50):  # its own, and an answer to each of ours
        await peer.read(frames.SETTINGS)
    assert time.thread_time() - begun_s < 20


async def test_a_stream_that_had_not_asked_when_the_server_leaves_is_sent_elsewhere(peer: Peer, serving: Serving) -> None:
    peer.greet()
    peer.write(opened(peer, 1, CHAT_STREAM))
    await settled(peer)
    serving.server.drain()
    assert (await peer.status(1))["grpc-status"] == "14"


async def test_too_much_metadata_ends_its_call_and_no_other(peer: Peer) -> None:
    peer.greet()
    peer.write(opened(peer, 1, INFER))
    large = peer.block(LIVE, key="k" * 40_000)
    peer.write(frames.frame(frames.HEADERS, 0, 3, large[:20_000]))
    peer.write(
        frames.frame(frames.CONTINUATION, frames.END_HEADERS, 3, large[20_000:]) + data(3, EMPTY_MESSAGE, frames.END_STREAM)
    )
    refusal = await peer.status(3)
    assert (refusal["grpc-status"], "32768 bytes" in refusal["grpc-message"]) == ("8", True)
    peer.write(data(1, EMPTY_MESSAGE, frames.END_STREAM))
    assert (await peer.status(1))["grpc-status"] == "5", "there is no model without a name"


class TestLog:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(access_log=True)

    async def test_a_path_that_is_no_method_s_is_not_logged_whole(
        self, peer: Peer, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        peer.greet()
        peer.call(1, "/" + "x" * 3000)
        assert (await peer.status(1))["grpc-status"] == "12"
        line = capsysbinary.readouterr().err
        assert b" gRPC /xxx" in line
        assert len(line) < 500


def test_headers_are_not_mistaken_for_those_of_before() -> None:
    def added(value: bytes) -> bytes:
        return b"\x40\x01x" + b"\x7f\xe0\x06" + value.ljust(991)  # 1024 - 32 - 1 bytes: four such entries fill the table

    values = [added(b"1"), added(b"2"), added(b"3"), added(b"4")]
    reader, honest = HeaderReader(), hpack.Decoder()
    oldest = b"\xc1"
    for block in (*values, oldest, oldest, values[-1], oldest):
        meant = {bytes(name).decode(): bytes(value).decode() for name, value in honest.decode(block, raw=True)}
        assert reader.read(block) == meant


def test_headers_that_are_remembered_are_few() -> None:
    reader = HeaderReader()
    with remembering_at_most(1024 * 1024):
        for number in range(300):
            block = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple("x", f"{number:030000}")], huffman=False)
            headers = reader.read(block)
            assert headers is not None
            assert headers["x"].endswith(str(number))


def test_a_request_of_countless_fields_is_left_to_protobuf() -> None:
    tracemalloc.start()
    try:
        request, _ = parse_infer(b"\x0a\x01m" + b"\x78\x00" * 500_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert request.model_name == "m"


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_comes_ends_at_most_its_own_connection(
    serving: Serving, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(seed)
    for _ in range(150):
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        peer = Peer(reader, writer)
        sent = frames.PREFACE + b"".join(_anything(dice, peer) for _ in range(dice.randrange(1, 30)))
        cuts = sorted(dice.randrange(len(sent)) for _ in range(dice.randrange(4)))
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            peer.write(sent[start:end])
            await asyncio.sleep(0)
        with suppress(ConnectionError):
            writer.write_eof()
            await asyncio.wait_for(reader.read(), PATIENCE_S)
            writer.close()
            await writer.wait_closed()
    assert [record.message for record in caplog.records if record.name in ("asyncio", "jubako.grpc.transport.call")] == []
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    peer = Peer(reader, writer)
    peer.greet()
    peer.call(1, LIVE)
    assert (await peer.status(1))["grpc-status"] == "0"
    writer.close()


def _anything(dice: random.Random, peer: Peer) -> bytes:
    """A frame: mostly one that means something, of a call that there may be, and at times with a byte changed."""
    number = dice.choice([0, 1, 1, 3, 3, 5, 7, 2, 2**31 - 1])
    match dice.randrange(9):
        case 0 | 1:
            block = peer.block(dice.choice([LIVE, INFER, STREAM, CHAT_STREAM, "/", ""]), **dice.choice(_ODD_HEADERS))
            sent = frames.frame(frames.HEADERS, dice.choice([4, 4, 5, 0, 0x0C, 0x24]), number, block)
        case 2 | 3:
            content = dice.choice([EMPTY_MESSAGE, bytes(4), b"\1" + bytes(4), b"\0\0\0\0\3abc", dice.randbytes(30)])
            sent = data(number, content, dice.choice([0, 1, 8, 9]))
        case 4:
            sent = frames.settings({dice.randrange(8): dice.choice([0, 1, 65_535, 2**31 - 1])})
        case 5:
            sent = frames.window_update(number, dice.choice([1, 1000, 2**30]))
        case 6:
            sent = frames.reset(number, dice.randrange(16))
        case 7:
            sent = frames.frame(frames.CONTINUATION, dice.choice([0, 4]), number, dice.randbytes(5))
        case _:
            sent = frames.frame(dice.randrange(12), dice.randrange(256), number, dice.randbytes(dice.randrange(20)))
    if dice.random() < 0.05:
        place = dice.randrange(len(sent))
        sent = sent[:place] + dice.randbytes(1) + sent[place + 1 :]
    return sent


_ODD_HEADERS: list[dict[str, str]] = [
    {},
    {},
    {"grpc_timeout": "1n"},
    {"grpc_timeout": "99999999H"},
    {"grpc_timeout": "-1S"},
    {"grpc_encoding": "gzip"},
    {"grpc_encoding": "deflate"},
    {"traceparent": "00-0-0-0", "tracestate": "\xff"},
    {"x_request_id": "\xe9\u4e16"},
    {"authorization": "Bearer"},
    {"content_type": "application/json"},
    {"key_bin": "\xff not base64"},
]
