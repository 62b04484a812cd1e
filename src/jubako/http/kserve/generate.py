"""POST /v2/models/{model}/generate and generate_stream: tensors as plain fields of a JSON object.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_generate.md
"""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import Any

import msgspec

from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest, Unsupported
from jubako.http.decoding import decode_object
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import encode
from jubako.http.kserve.contents import pack, typed, unpack
from jubako.http.kserve.errors import about_model
from jubako.http.kserve.models import asked_name, find
from jubako.http.kserve.wire import INPUTS
from jubako.kserve.parameters import infer_request
from jubako.messages import InferRequest, InferResult, Parameter, VersionStatus
from jubako.tensors import Signature, Tensor, TensorSpec

JsonObject = dict[str, Any]


async def generate(exchange: Exchange, plane: Plane) -> None:
    """One answer, as a JSON object with a field for each output."""
    status = find(exchange, plane)
    signature = plane.signature(status)
    fields = decode_object(await exchange.body())
    request = _request(fields, asked_name(exchange), signature)
    with exchange.watch():
        if signature.decoupled:
            result = await _only(exchange, plane, request)
        else:
            result = await plane.infer(request, exchange.caller)
    await exchange.answer(encode(_about(exchange, status, fields) | _fields(result)))


async def stream(exchange: Exchange, plane: Plane) -> None:
    """Any number of answers, each a server-sent event with the object that :func:`generate` would answer."""
    status = find(exchange, plane)
    fields = decode_object(await exchange.body())
    request = _request(fields, asked_name(exchange), plane.signature(status))
    about = _about(exchange, status, fields)
    with exchange.validity, exchange.watch():
        async with aclosing(plane.infer_stream(request, exchange.caller)) as batches:
            async for batch in batches:
                if not exchange.started:
                    await exchange.start_events()
                await exchange.write(b"".join(b"data: %b\n\n" % encode(about | _fields(result)) for result in batch))
        if not exchange.started:
            await exchange.start_events()
    await exchange.finish()


async def _only(exchange: Exchange, plane: Plane, request: InferRequest) -> InferResult:
    """The answer of a model that may give any number, if it gives just one."""
    found: list[InferResult] = []
    async with aclosing(plane.infer_stream(request, exchange.caller)) as batches:
        async for batch in batches:
            found += batch
            if len(found) > 1:
                break
    if len(found) != 1:
        raise Unsupported(
            f"The model {request.model!r} gave {'more than one answer' if found else 'no answer'} to this request; this endpoint "
            f"gives exactly one. Use POST /v2/models/{request.model}/generate_stream."
        )
    return found[0]


# The request


def _request(fields: JsonObject, model: str, signature: Signature) -> InferRequest:
    """Fields that are named as inputs become tensors, all others parameters; those inside `parameters` as well."""
    inputs = {spec.name: spec for spec in signature.inputs}
    tensors: list[Tensor] = []
    parameters: dict[str, Parameter] = {}
    try:
        for name, value in {**fields, **_nested(fields)}.items():
            if (spec := inputs.get(name)) is not None:
                tensors.append(_tensor(spec, signature, value))
            elif name not in ("id", "parameters") and value is not None:
                parameters[name] = _parameter(name, value, inputs)
        return infer_request(model, tensors, [], parameters)
    except InvalidRequest as error:
        raise about_model(error, model) from None


def _nested(fields: JsonObject) -> JsonObject:
    nested = fields.get("parameters") or {}
    if not isinstance(nested, dict):
        raise InvalidRequest("The field 'parameters' must be an object.", param="parameters")
    return nested


def _parameter(name: str, value: object, inputs: dict[str, TensorSpec]) -> Parameter:
    if isinstance(value, bool | int | float | str):
        return value
    raise InvalidRequest(
        f"The field {name!r} is no input of the model, whose inputs are {', '.join(map(repr, inputs))}; and as a parameter it "
        "must be a string, a number, true or false.",
        param=name,
    )


def _tensor(spec: TensorSpec, signature: Signature, value: object) -> Tensor:
    shape = _shape(spec, value, signature.max_batch_size > 0)
    values = value if isinstance(value, list) else [value]
    try:
        flat = values if values and isinstance(values[0], list) else typed(spec.datatype, values)
        given = INPUTS[spec.datatype](name=spec.name, shape=shape)
    except msgspec.ValidationError:
        raise InvalidRequest(f"The field {spec.name!r} has a value that is no {spec.datatype}.", param=spec.name) from None
    return Tensor(spec.name, spec.datatype, shape, pack(given, flat))


def _shape(spec: TensorSpec, value: object, batched: bool) -> list[int]:
    """The shape of an input for a value that tells only how it is nested.

    Values nested as deeply as the input keep their shape. A scalar or a flat list takes the input's own, whose first open
    dimension gets what there is.
    """
    nested = _nesting(value)
    rank = len(spec.shape)
    if len(nested) == rank + 1 and batched:
        return nested
    if len(nested) == rank:
        return [1, *nested] if batched else nested
    if len(nested) > 1:
        raise InvalidRequest(
            f"The field {spec.name!r} is nested {len(nested)} deep; the input has the shape {spec.shape}.", param=spec.name
        )
    count = nested[0] if nested else 1
    fixed = math.prod(size for size in spec.shape if size >= 0)
    shape: list[int] = []
    for size in spec.shape:
        # The first open dimension takes all; another is of length one.
        shape.append(size if size >= 0 else max(1, count // max(1, fixed)))
        if size < 0:
            count = fixed
    return [1, *shape] if batched else shape


def _nesting(value: object) -> list[int]:
    shape: list[int] = []
    while isinstance(value, list) and len(shape) < 32:
        shape.append(len(value))
        value = value[0] if value else None
    return shape


# The answer


def _about(exchange: Exchange, status: VersionStatus, fields: JsonObject) -> JsonObject:
    about = {"model_name": exchange.names["model"], "model_version": str(status.version)}
    given = fields.get("id")
    return {"id": str(given), **about} if given is not None else about


def _fields(result: InferResult) -> JsonObject:
    """Each output under its name: one element as it is, more as a flat list."""
    fields: JsonObject = dict(result.parameters)
    for tensor in result.outputs:
        values = unpack(tensor)
        fields[tensor.name] = values[0] if len(values) == 1 else values
    return fields
