"""The answer to an inference: its tensors as JSON, as bytes behind the JSON, or where they are in shared memory."""

from __future__ import annotations

from jubako.http.compression import accepted_encoding, compress
from jubako.http.exchange import BINARY, JSON, Exchange, Header
from jubako.http.kserve.answers import InferAnswer, OutputAnswer, encode
from jubako.http.kserve.contents import unpack
from jubako.http.kserve.wire import InferBody, OutputParameters
from jubako.messages import InferResult, Parameter, VersionStatus
from jubako.tensors import Buffer, Tensor

JOINED_BELOW_BYTES = 64 * 1024
"""Smaller answers go out as one piece; pieces of larger ones are never copied."""

_AS_SAID = OutputParameters()


async def answer(exchange: Exchange, result: InferResult, asked: InferBody, status: VersionStatus) -> None:
    """Send the answer to a request, each output as the request wants it."""
    json, contents = render(result, asked, exchange.names["model"], str(status.version))
    encoding = accepted_encoding(exchange.headers.get(b"accept-encoding"))
    if not contents and encoding is None:
        await exchange.answer(json)
        return
    headers: list[Header] = []
    content_type = JSON
    if contents:
        content_type = BINARY
        headers.append((b"inference-header-content-length", b"%d" % len(json)))
    pieces: list[Buffer] = [json, *contents]
    if encoding is not None:
        pieces = [*await compress(pieces, encoding)]
        headers.append((b"content-encoding", encoding))
    if sum(map(len, pieces)) < JOINED_BELOW_BYTES:
        await exchange.answer(b"".join(pieces), content_type=content_type, headers=headers)
    else:
        await exchange.answer_pieces(pieces, content_type=content_type, headers=headers)


def render(result: InferResult, asked: InferBody, model: str, version: str) -> tuple[bytes, list[Buffer]]:
    """The JSON of an answer, and the contents that follow it."""
    binary = asked.parameters is not None and asked.parameters.get("binary_data_output") is True
    wishes = {wanted.name: wanted.parameters or _AS_SAID for wanted in asked.outputs} if asked.outputs else {}
    contents: list[Buffer] = []
    outputs: list[OutputAnswer] = []
    for tensor in result.outputs:
        wish = wishes.get(tensor.name, _AS_SAID)
        if tensor.region is not None:
            outputs.append(OutputAnswer(tensor.name, tensor.datatype, tensor.shape, _whereabouts(tensor, wish)))
        elif binary if wish.binary_data is None else wish.binary_data:
            size: dict[str, Parameter] = {"binary_data_size": len(tensor.data)}
            outputs.append(OutputAnswer(tensor.name, tensor.datatype, tensor.shape, size))
            contents.append(tensor.data)
        else:
            outputs.append(OutputAnswer(tensor.name, tensor.datatype, tensor.shape, data=unpack(tensor)))
    return encode(InferAnswer(model, version, outputs, asked.id, result.parameters)), contents


def _whereabouts(tensor: Tensor, wish: OutputParameters) -> dict[str, Parameter]:
    assert tensor.region is not None
    return {
        "shared_memory_region": wish.shared_memory_region or "",
        "shared_memory_offset": wish.shared_memory_offset,
        "shared_memory_byte_size": tensor.region.byte_size,
    }
