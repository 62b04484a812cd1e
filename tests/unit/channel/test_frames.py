"""Frames survive whatever cuts a socket makes, and whatever is no frame is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Hello,
    Load,
    LoadFailed,
    ProtocolError,
    Queued,
    Start,
    Started,
    encode,
)
from jubako.errors import WireError
from jubako.messages import ChatRequest, Delta, EmbedRequest, EmbedResult, GenerateEvent, Message, Request, Result, Timings, Usage

ids = st.integers(0, 2**63 - 1)
events: st.SearchStrategy[GenerateEvent] = st.one_of(
    st.builds(Delta, index=st.integers(0, 9), text=st.text(), finish_reason=st.sampled_from([None, "stop", "length"])),
    st.builds(Usage, prompt_tokens=ids, completion_tokens=ids),
    st.builds(Timings, gaps_s=st.lists(st.floats(allow_nan=False))),
)
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(EmbedRequest, model=st.text(), inputs=st.lists(st.one_of(st.text(), st.lists(st.integers(0, 2**32 - 1))))),
    st.builds(ChatRequest, model=st.text(), messages=st.lists(st.builds(Message, role=st.just("user"), content=st.text()))),
)
results: st.SearchStrategy[Result | None] = st.one_of(st.none(), st.builds(EmbedResult, vectors=st.lists(st.binary())))
frames: st.SearchStrategy[AnyFrame] = st.one_of(
    st.builds(Hello, st.text(), ids, st.none() | ids),
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


@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_frames_survive_any_cut_of_the_byte_stream(sent: list[AnyFrame], cuts: list[int]) -> None:
    stream = b"".join(map(encode, sent))
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    reader = FrameReader()
    received: list[AnyFrame] = []
    for start, stop in pairwise(edges):
        received += reader.feed(stream[start:stop])
    assert received == sent


@given(frames)
def test_a_frame_survives_byte_by_byte(frame: AnyFrame) -> None:
    reader = FrameReader()
    data = encode(frame)
    assert [found for i in range(len(data)) for found in reader.feed(data[i : i + 1])] == [frame]


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
        pytest.param((MAX_FRAME_BYTES + 1).to_bytes(4, "little"), id="too long"),
        pytest.param(b"\x01\x00\x00\x00\xc1", id="not msgpack"),
        pytest.param(b"\x01\x00\x00\x00\x05", id="not an array"),
        pytest.param(b"\x06\x00\x00\x00\x91\xa4what", id="no such kind"),
        pytest.param(b"\x08\x00\x00\x00\x92\xa6cancel", id="cut inside the frame"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameReader().feed(data)
