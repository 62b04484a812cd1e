"""Frames survive whatever cuts a socket makes, and whatever is no frame is refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jubako.channel import frames as frame_module
from jubako.channel.frames import (
    MAX_FRAME_BYTES,
    AnyFrame,
    Call,
    Cancel,
    Chunk,
    Credit,
    Drain,
    End,
    Failed,
    FrameReader,
    FrameWriter,
    Hello,
    Load,
    LoadFailed,
    ProtocolError,
    Queued,
    Start,
    Started,
)
from jubako.errors import WireError
from jubako.messages import (
    ChatRequest,
    Delta,
    EmbedRequest,
    EmbedResult,
    InferRequest,
    InferResult,
    Message,
    ModelInfo,
    Request,
    Result,
    StreamEvent,
    Timings,
    Usage,
)
from jubako.tensors import Buffer, Tensor

ATTACH_BYTES = 64


@pytest.fixture(scope="module", autouse=True)
def little_is_large() -> Iterator[None]:
    """Contents of a few bytes are attached, so that thousands of examples stay cheap."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_module, "ATTACH_BYTES", ATTACH_BYTES)
        yield


ids = st.integers(0, 2**63 - 1)
tensors = st.builds(
    lambda name, size, fill: Tensor(name, "UINT8", [size], memoryview(bytes([fill]) * size)),
    st.text(max_size=5),
    st.integers(0, 2 * ATTACH_BYTES),
    st.integers(0, 255),
)
inferred = st.builds(InferResult, outputs=st.lists(tensors, max_size=3))
events: st.SearchStrategy[StreamEvent] = st.one_of(
    inferred,
    st.builds(Delta, index=st.integers(0, 9), text=st.text(), finish_reason=st.sampled_from([None, "stop", "length"])),
    st.builds(Usage, prompt_tokens=ids, completion_tokens=ids),
    st.builds(Timings, gaps_s=st.lists(st.floats(allow_nan=False))),
)
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(EmbedRequest, model=st.text(), inputs=st.lists(st.one_of(st.text(), st.lists(st.integers(0, 2**32 - 1))))),
    st.builds(InferRequest, model=st.text(), inputs=st.lists(tensors, max_size=3)),
    st.builds(ChatRequest, model=st.text(), messages=st.lists(st.builds(Message, role=st.just("user"), content=st.text()))),
)
results: st.SearchStrategy[Result | None] = st.one_of(st.none(), inferred, st.builds(EmbedResult, vectors=st.lists(st.binary())))
frames: st.SearchStrategy[AnyFrame] = st.one_of(
    st.builds(Hello, st.text(), ids, st.builds(ModelInfo, context_length=st.none() | ids)),
    st.builds(Start, st.binary(max_size=5000)),
    st.builds(LoadFailed, st.text(), st.booleans()),
    st.just(Drain()),
    st.builds(Load, ids, ids, ids, ids, ids),
    st.builds(Call, ids, requests, st.booleans(), st.text()),
    st.builds(Credit, ids, ids),
    st.builds(Cancel, ids),
    st.builds(Queued, ids),
    st.builds(Started, ids),
    st.builds(Chunk, ids, st.lists(events)),
    st.builds(End, ids, results),
    st.builds(Failed, ids, st.builds(WireError, st.text(), st.text())),
)


def encode(*frames: AnyFrame) -> bytes:
    return b"".join(pieces(*frames))


def pieces(*frames: AnyFrame) -> list[Buffer]:
    writer = FrameWriter()
    for frame in frames:
        writer.add(frame)
    return writer.take()


@settings(deadline=None)
@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_frames_survive_any_cut_of_the_byte_stream(sent: list[AnyFrame], cuts: list[int]) -> None:
    stream = encode(*sent)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    reader = FrameReader()
    received: list[AnyFrame] = []
    for start, stop in pairwise(edges):
        received += reader.feed(stream[start:stop])
    assert received == sent


@settings(deadline=None)
@given(frames)
def test_a_frame_survives_byte_by_byte(frame: AnyFrame) -> None:
    reader = FrameReader()
    data = encode(frame)
    assert [found for i in range(len(data)) for found in reader.feed(data[i : i + 1])] == [frame]


def test_large_contents_are_never_copied_on_their_way_out_and_once_at_most_on_their_way_in() -> None:
    contents = memoryview(bytes(ATTACH_BYTES))
    request = InferRequest(model="m", inputs=[Tensor("x", "UINT8", [ATTACH_BYTES], contents)])
    call = Call(1, request, False, "r")
    _, attached = pieces(call)
    assert attached is contents
    assert request.inputs[0].data is contents

    whole = encode(call)
    (received,) = FrameReader().feed(whole)
    assert isinstance(received, Call)
    assert isinstance(received.request, InferRequest)
    data = received.request.inputs[0].data
    assert isinstance(data, memoryview)
    assert data.obj is whole


def test_a_frame_that_can_not_be_encoded_leaves_the_others_whole() -> None:
    writer = FrameWriter()
    writer.add(Cancel(1))
    with pytest.raises(TypeError):
        writer.add(Call(2, object(), False, "r"))  # type: ignore[arg-type]
    writer.add(Cancel(3))
    assert FrameReader().feed(b"".join(writer.take())) == [Cancel(1), Cancel(3)]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_frames_or_refused_or_incomplete(data: bytes) -> None:
    try:
        found = FrameReader().feed(data)
    except ProtocolError:
        return
    assert all(isinstance(frame, AnyFrame) for frame in found)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param((MAX_FRAME_BYTES + 1).to_bytes(4, "little") + bytes(4), id="too long"),
        pytest.param(b"\x01\x00\x00\x00\x00\x00\x00\x00\xc1", id="not msgpack"),
        pytest.param(b"\x01\x00\x00\x00\x00\x00\x00\x00\x05", id="not an array"),
        pytest.param(b"\x06\x00\x00\x00\x00\x00\x00\x00\x91\xa4what", id="no such kind"),
        pytest.param(b"\x08\x00\x00\x00\x00\x00\x00\x00\x92\xa6cancel", id="cut inside the frame"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameReader().feed(data)
