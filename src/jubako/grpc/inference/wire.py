"""Requests and answers as bytes: the messages are protobuf's, the raw contents of tensors stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError

from jubako.errors import InvalidRequest
from jubako.grpc.encoding import read_extent, read_varint
from jubako.protos import inference as pb
from jubako.tensors import Buffer

LARGE: Final = 64 * 1024
"""Bytes of a request above which its raw contents are not given to protobuf, which would copy them."""

MOST_FIELDS: Final = 10_000
"""A request of more fields is left to protobuf, which is slower with large contents and much faster with many fields."""

RAW_INPUT_KEY: Final = 7 << 3 | 2
RAW_OUTPUT_KEY: Final = bytes([6 << 3 | 2])
RESPONSE_KEY: Final = bytes([2 << 3 | 2])


def parse_infer(message: Buffer) -> tuple[pb.ModelInferRequest, Sequence[Buffer]]:
    """A request, and its raw input contents; those of a large one are views of `message`, and not in the request.

    Raises:
        InvalidRequest: it is no such message.
    """
    apart = _without_raw_inputs(memoryview(message)) if len(message) > LARGE else None
    try:
        if apart is not None:
            return pb.ModelInferRequest.FromString(apart[0]), apart[1]
        request = pb.ModelInferRequest.FromString(bytes(message))
    except DecodeError:
        raise InvalidRequest("The message is no inference.ModelInferRequest.") from None
    return request, request.raw_input_contents


def with_raw_outputs(response: pb.ModelInferResponse, contents: Sequence[Buffer]) -> list[Buffer]:
    """The bytes of `response` with these raw output contents, in pieces."""
    pieces: list[Buffer] = [response.SerializeToString()]
    for content in contents:
        pieces.append(RAW_OUTPUT_KEY + _varint(len(content)))
        pieces.append(content)
    return pieces


def as_stream_answer(pieces: list[Buffer]) -> list[Buffer]:
    """The bytes of the ModelStreamInferResponse around a ModelInferResponse."""
    return [RESPONSE_KEY + _varint(sum(map(len, pieces))), *pieces]


def _without_raw_inputs(message: memoryview) -> tuple[bytes, list[memoryview]] | None:
    """The fields of a request other than its raw input contents, and those; None for bytes that only protobuf can judge.

    https://protobuf.dev/programming-guides/encoding/
    """
    rest: list[memoryview] = []
    contents: list[memoryview] = []
    position, end = 0, len(message)
    try:
        while position < end:
            start = position
            key, position = read_varint(message, position)
            begin, position = read_extent(message, position, key & 7)
            if position > end or len(rest) + len(contents) >= MOST_FIELDS:
                return None
            if key == RAW_INPUT_KEY:
                contents.append(message[begin:position])
            else:
                rest.append(message[start:position])
    except (IndexError, ValueError):
        return None
    return b"".join(rest), contents


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes([value])
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
