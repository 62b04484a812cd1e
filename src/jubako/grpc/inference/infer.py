"""ModelInfer and ModelStreamInfer: tensors in, tensors out, without JSON and without a copy of raw contents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Final, cast

from jubako.dataplane.limited import seen_by
from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest, JubakoError, Unsupported
from jubako.grpc.inference.contents import raw_contents
from jubako.grpc.inference.models import find
from jubako.grpc.inference.shared_memory import located
from jubako.grpc.inference.wire import as_stream_answer, parse_infer, with_raw_outputs
from jubako.grpc.transport.call import Call
from jubako.kserve.parameters import infer_request
from jubako.messages import InferRequest, InferResult, Parameter, RequestedOutput, VersionStatus
from jubako.model_names import name_of
from jubako.protos import inference as pb
from jubako.routing import text_tensors
from jubako.tensors import ITEM_BYTES, Buffer, Datatype, Region, Tensor, check_contents, elements

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 256
"""Most requests of one stream that are answered at the same time; further ones wait with the client."""

MOST: Final = 4096
"""Most inputs, outputs and parameters of a request, each. Looking at more takes long, and no model has so many."""

FINAL_RESPONSE: Final = "triton_final_response"
EMPTY_FINAL_RESPONSE: Final = "triton_enable_empty_final_response"

# What Triton's clients say to its server, and no model should see.
_FOR_THE_SERVER: Final = (EMPTY_FINAL_RESPONSE, "binary_data_output")


class Inference:
    """The two methods."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def infer(self, message: Buffer, call: Call) -> Sequence[Buffer]:
        """ModelInfer: one answer."""
        plane = seen_by(self._plane, call.key)
        asked, contents = parse_infer(message)
        status = find(plane, asked.model_name, asked.model_version, call)
        if _is_decoupled(status):
            raise Unsupported(
                f"The model {status.model!r} may answer a request any number of times, which ModelInfer can't. Use "
                "ModelStreamInfer."
            )
        request = _request(asked, contents, plane)
        result = await plane.infer(request, call.caller)
        return _answer(asked, result, status)

    async def stream_infer(self, call: Call) -> None:
        """ModelStreamInfer: requests are answered as they come, side by side."""
        room = asyncio.Semaphore(IN_FLIGHT)
        async with asyncio.TaskGroup() as answering:
            async for message in call.messages():
                await room.acquire()
                task = answering.create_task(self._answer_in_stream(message, call))
                task.add_done_callback(lambda _: room.release())

    async def _answer_in_stream(self, message: Buffer, call: Call) -> None:
        identifier = ""
        try:
            asked, contents = parse_infer(message)
            identifier = asked.id
            await self._answers(asked, contents, call)
        except JubakoError as error:
            await call.send(_error(error.message, identifier))
        except Exception:
            log.exception("Request %s failed within its stream", call.request_id)
            sentence = f"The server failed on this request. Its log says why, under request id {call.request_id}."
            await call.send(_error(sentence, identifier))

    async def _answers(self, asked: pb.ModelInferRequest, contents: Sequence[Buffer], call: Call) -> None:
        plane = seen_by(self._plane, call.key)
        status = find(plane, asked.model_name, asked.model_version, call)
        request = _request(asked, contents, plane)
        if not _is_decoupled(status) and not text_tensors.is_text(status):
            result = await plane.infer(request, call.caller)
            await call.send(as_stream_answer(_answer(asked, result, status, True)))
            return
        async with aclosing(plane.infer_stream(request, call.caller)) as stream:
            async for results in stream:
                for result in results:
                    await call.send(as_stream_answer(_answer(asked, result, status, False)))
        if asked.parameters[EMPTY_FINAL_RESPONSE].bool_param:
            await call.send(as_stream_answer(_answer(asked, InferResult(outputs=[]), status, True)))


def _is_decoupled(status: VersionStatus) -> bool:
    return status.info is not None and status.info.signature is not None and status.info.signature.decoupled


def _request(asked: pb.ModelInferRequest, contents: Sequence[Buffer], plane: Plane) -> InferRequest:
    if max(len(asked.inputs), len(asked.outputs), len(asked.parameters)) > MOST:
        raise InvalidRequest(f"The request has more inputs, outputs or parameters than {MOST}, which is the most that is taken.")
    name = name_of(asked.model_name, asked.model_version) if asked.model_version else asked.model_name
    inputs = _inputs(asked, contents, plane)
    outputs = [_wanted(output, plane) for output in asked.outputs]
    if not asked.parameters:
        return InferRequest(model=name, inputs=inputs, outputs=outputs)
    parameters = _values(asked.parameters)
    for key in _FOR_THE_SERVER:
        parameters.pop(key, None)
    return infer_request(name, inputs, outputs, parameters)


def _inputs(asked: pb.ModelInferRequest, contents: Sequence[Buffer], plane: Plane) -> list[Tensor]:
    tensors: list[Tensor] = []
    used = 0
    for given in asked.inputs:
        region = located(plane, given.name, _values(given.parameters)) if given.parameters else None
        data: Buffer = b""
        if region is not None:
            _require_size(given, region)
        elif given.HasField("contents"):
            if contents:
                raise InvalidRequest(
                    f"The input {given.name!r} has typed contents, and the request raw_input_contents. Use one of them.",
                    param=given.name,
                )
            data = raw_contents(given)
        elif used < len(contents):
            data = contents[used]
            used += 1
        elif given.datatype != "BYTES" and 0 not in given.shape:
            raise InvalidRequest(
                f"The input {given.name!r} has no contents. Give it one of raw_input_contents, typed contents, or the parameter "
                "'shared_memory_region'.",
                param=given.name,
            )
        tensor = Tensor(given.name, cast(Datatype, given.datatype), list(given.shape), data, region)
        check_contents(tensor)
        tensors.append(tensor)
    if used != len(contents):
        raise InvalidRequest(
            f"There are {len(contents)} raw_input_contents, and {used} inputs that take one. Give one to each input that is not "
            "in shared memory, in their order."
        )
    return tensors


def _require_size(given: pb.ModelInferRequest.InferInputTensor, region: Region) -> None:
    size = elements(given.shape, given.name) * ITEM_BYTES.get(given.datatype, 0)
    if size and size != region.byte_size:
        raise InvalidRequest(
            f"The input {given.name!r} of shape {list(given.shape)} and datatype {given.datatype} must have {size} bytes; its "
            f"place in shared memory has {region.byte_size}.",
            param=given.name,
        )


def _wanted(output: pb.ModelInferRequest.InferRequestedOutputTensor, plane: Plane) -> RequestedOutput:
    if not output.parameters:
        return RequestedOutput(output.name)
    parameters = _values(output.parameters)
    classes = parameters.get("classification", 0)
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 0:
        raise InvalidRequest(
            f"The parameter 'classification' of the output {output.name!r} is {classes!r}; it must be a number of classes.",
            param=output.name,
        )
    return RequestedOutput(output.name, classes, located(plane, output.name, parameters))


def _values(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Parameter]:
    values: dict[str, Parameter] = {}
    for name, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is None:
            raise InvalidRequest(f"The parameter {name!r} has no value.", param=name)
        values[name] = getattr(parameter, kind)
    return values


def _answer(asked: pb.ModelInferRequest, result: InferResult, status: VersionStatus, final: bool | None = None) -> list[Buffer]:
    """The bytes of a ModelInferResponse, in pieces. In a stream `final` says whether this is the request's last."""
    response = pb.ModelInferResponse(model_name=asked.model_name, model_version=str(status.version), id=asked.id)
    for name, value in result.parameters.items():
        _set(response.parameters[name], value)
    if final is not None:
        response.parameters[FINAL_RESPONSE].bool_param = final
    places = _places(asked) if asked.outputs else {}
    contents: list[Buffer] = []
    for tensor in result.outputs:
        output = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if tensor.region is not None:
            for name, parameter in places[tensor.name].items():
                if name in ("shared_memory_region", "shared_memory_offset"):
                    output.parameters[name].CopyFrom(parameter)
            output.parameters["shared_memory_byte_size"].int64_param = tensor.region.byte_size
        contents.append(b"" if tensor.region is not None else tensor.data)
    return with_raw_outputs(response, contents)


def _places(asked: pb.ModelInferRequest) -> dict[str, Mapping[str, pb.InferParameter]]:
    return {output.name: output.parameters for output in asked.outputs}


def _set(parameter: pb.InferParameter, value: Parameter) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        if value < 2**63:
            parameter.int64_param = value
        else:
            parameter.uint64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value


def _error(message: str, identifier: str) -> list[Buffer]:
    answer = pb.ModelStreamInferResponse(error_message=message)
    answer.infer_response.id = identifier
    return [answer.SerializeToString()]
