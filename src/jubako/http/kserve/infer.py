"""POST /v2/models/{model}/infer: tensors in, tensors out, as JSON, as bytes behind the JSON, or in shared memory.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest, Unsupported
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.contents import count_elements, pack
from jubako.http.kserve.errors import about_model
from jubako.http.kserve.inferred import answer
from jubako.http.kserve.models import asked_name, find
from jubako.http.kserve.shared_memory import locate
from jubako.http.kserve.wire import AnyInput, InferBody, WantedOutput
from jubako.kserve.parameters import infer_request
from jubako.messages import InferRequest, RequestedOutput, VersionStatus
from jubako.tensors import DATATYPES, ITEM_BYTES, Buffer, Tensor

HEADER_LENGTH = b"inference-header-content-length"

_DECODER = BodyDecoder(InferBody, any_json=False)
_POSITION = re.compile(r"(?P<list>inputs|outputs)\[(?P<index>\d+)\]")


async def infer(exchange: Exchange, plane: Plane) -> None:
    status = find(exchange, plane)
    _require_one_answer(status)
    model = asked_name(exchange)
    body = await exchange.body()
    try:
        asked, binary = _split(body, exchange.headers.get(HEADER_LENGTH))
        request = _request(asked, binary, model, plane)
    except InvalidRequest as error:
        raise about_model(error, model) from None
    # Only what the answer needs is kept: a large body must not outlive its request.
    del body, binary
    with exchange.watch():
        result = await plane.infer(request, exchange.caller)
    del request
    await answer(exchange, result, asked, status)


def _require_one_answer(status: VersionStatus) -> None:
    signature = status.info.signature if status.info is not None else None
    if signature is not None and signature.decoupled:
        raise Unsupported(
            f"The model {status.model!r} may answer a request any number of times, which this endpoint can't. Use POST "
            f"/v2/models/{status.model}/generate_stream, or ModelStreamInfer of gRPC."
        )


def _split(body: Buffer, header_length: bytes | None) -> tuple[InferBody, memoryview]:
    """The JSON of a body, decoded, and the bytes that follow it.

    Raises:
        InvalidRequest: either is not as the protocol says.
    """
    if header_length is None:
        return _decode(body), memoryview(b"")
    view = memoryview(body)
    if not header_length.isdigit() or int(header_length[:18]) > len(view):
        raise InvalidRequest(
            f"The header Inference-Header-Content-Length is {header_length.decode('latin-1')!r}; it must be the length of the "
            f"JSON at the beginning of the body, which has {len(view)} bytes."
        )
    length = int(header_length)
    return _decode(view[:length]), view[length:]


def _decode(text: Buffer) -> InferBody:
    try:
        return _DECODER.decode(text)
    except InvalidRequest as error:
        raise _naming_the_tensor(error, text) from None


def _request(asked: InferBody, binary: memoryview, model: str, plane: Plane) -> InferRequest:
    inputs = _tensors(asked.inputs, binary, plane)
    outputs = [_wanted(output, plane) for output in asked.outputs] if asked.outputs else []
    if not asked.parameters:
        return InferRequest(model=model, inputs=inputs, outputs=outputs)
    return infer_request(model, inputs, outputs, asked.parameters)


def _tensors(inputs: list[AnyInput], binary: memoryview, plane: Plane) -> list[Tensor]:
    tensors: list[Tensor] = []
    position = 0
    for given in inputs:
        parameters = given.parameters
        values = given.data
        if parameters is not None and (size := parameters.binary_data_size) is not None:
            tensors.append(_following(given, binary[position : position + size], size))
            position += size
        elif parameters is not None and parameters.shared_memory_region is not None:
            tensors.append(_shared(given, plane))
        elif values is not None:
            tensors.append(Tensor(given.name, given.datatype, given.shape, pack(given, values)))
        else:
            raise InvalidRequest(
                f"The input {given.name!r} has no contents. Give it 'data', or one of the parameters 'binary_data_size' and "
                "'shared_memory_region'.",
                param=given.name,
            )
    if position != len(binary):
        raise InvalidRequest(
            f"{len(binary)} bytes follow the JSON of the request, but the 'binary_data_size' of its inputs add up to {position}."
        )
    return tensors


def _following(given: AnyInput, contents: memoryview, size: int) -> Tensor:
    """An input whose contents follow the JSON."""
    if len(contents) != size:
        raise InvalidRequest(
            f"The input {given.name!r} has a 'binary_data_size' of {size}, but only {len(contents)} bytes are left for it "
            "behind the JSON of the request. Is the header Inference-Header-Content-Length there and right?",
            param=given.name,
        )
    _require_only_place(given)
    _require_size(given, size)
    return Tensor(given.name, given.datatype, given.shape, contents)


def _shared(given: AnyInput, plane: Plane) -> Tensor:
    """An input whose contents are in shared memory."""
    assert given.parameters is not None
    _require_only_place(given)
    region = locate(plane, given.name, given.parameters)
    _require_size(given, region.byte_size)
    return Tensor(given.name, given.datatype, given.shape, b"", region)


def _require_only_place(given: AnyInput) -> None:
    assert given.parameters is not None
    both = given.parameters.binary_data_size is not None and given.parameters.shared_memory_region is not None
    if given.data is not None or both:
        raise InvalidRequest(
            f"The input {given.name!r} has its contents in more than one place. Give only one of 'data', 'binary_data_size' and "
            "'shared_memory_region'.",
            param=given.name,
        )


def _require_size(given: AnyInput, size: int) -> None:
    count = count_elements(given.name, given.shape)
    item = ITEM_BYTES.get(given.datatype)
    if item is not None and size != count * item:
        raise InvalidRequest(
            f"The input {given.name!r} of shape {given.shape} and datatype {given.datatype} must have {count * item} bytes; "
            f"it has {size}.",
            param=given.name,
        )


def _wanted(output: WantedOutput, plane: Plane) -> RequestedOutput:
    parameters = output.parameters
    if parameters is None:
        return RequestedOutput(output.name)
    region = locate(plane, output.name, parameters) if parameters.shared_memory_region is not None else None
    return RequestedOutput(output.name, parameters.classification, region)


def _naming_the_tensor(error: InvalidRequest, text: Buffer) -> InvalidRequest:
    """An error at ``inputs[0]`` or below says the name of that input too: people know names, not positions."""
    if error.param is None or (at := _POSITION.match(error.param)) is None:
        return error
    message = error.message.removesuffix(".")
    if (name := _name_at(text, at["list"], int(at["index"]))) is not None:
        message += f" ({at[0]} is {name!r})"
    if error.param.endswith(".datatype"):
        message += f". The datatypes are {', '.join(DATATYPES)}"
    return InvalidRequest(f"{message}.", param=error.param, code=error.code)


def _name_at(text: Buffer, tensors: str, index: int) -> str | None:
    try:
        names = _NAMES.decode(text)
        return (names.inputs if tensors == "inputs" else names.outputs)[index].name
    except (msgspec.DecodeError, IndexError):
        return None


class _Named(Struct):
    name: str


class _Names(Struct):
    """Only the names of a body's tensors, whatever else is wrong with it."""

    inputs: list[_Named] = []
    outputs: list[_Named] = []


_NAMES = msgspec.json.Decoder(_Names)
