"""Large requests are taken apart without protobuf, to the same end."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from jubako.errors import InvalidRequest
from jubako.grpc.inference.wire import LARGE, as_stream_answer, parse_infer, with_raw_outputs
from jubako.protos import inference as pb


@given(st.lists(st.binary(max_size=300), max_size=4), st.text(max_size=200), st.integers(0, 2**64 - 1))
def test_a_large_request_is_read_as_a_small_one(contents: list[bytes], name: str, number: int) -> None:
    request = pb.ModelInferRequest(model_name=name, id="x" * 200, raw_input_contents=[*contents, bytes(LARGE)])
    request.inputs.add(name=name, shape=[1, 2]).parameters["n"].uint64_param = number
    message = memoryview(request.SerializeToString())
    read, found = parse_infer(message)
    assert [bytes(content) for content in found] == [*contents, bytes(LARGE)]
    assert all(isinstance(content, memoryview) and content.obj is message.obj for content in found)
    del request.raw_input_contents[:]
    assert read == request


@given(st.binary(max_size=200), st.integers(0, 100))
def test_broken_bytes_are_refused_where_protobuf_refuses_them(junk: bytes, cut: int) -> None:
    whole = pb.ModelInferRequest(raw_input_contents=[bytes(LARGE)]).SerializeToString()
    for message in (junk + whole, whole[: -cut - 1], whole + junk):
        assert _read(message) == _read_by_protobuf(message)


def _read(message: bytes) -> list[bytes] | None:
    try:
        return [bytes(content) for content in parse_infer(memoryview(message))[1]]
    except InvalidRequest:
        return None


def _read_by_protobuf(message: bytes) -> list[bytes] | None:
    try:
        return list(pb.ModelInferRequest.FromString(message).raw_input_contents)
    except DecodeError:
        return None


@pytest.mark.parametrize("size", [0, 1, 127, 128, 100_000])
def test_answers_are_what_protobuf_would_write(size: int) -> None:
    response = pb.ModelInferResponse(model_name="m", id="7")
    response.outputs.add(name="y", datatype="UINT8", shape=[size])
    pieces = with_raw_outputs(response, [bytes(size), memoryview(b"\1")])
    streamed = pb.ModelStreamInferResponse.FromString(b"".join(as_stream_answer(pieces)))
    response.raw_output_contents.extend([bytes(size), b"\1"])
    assert pb.ModelInferResponse.FromString(b"".join(pieces)) == response
    assert streamed.infer_response == response
