"""ChatService."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from jubako.dataplane.limits import MAX_CHOICES, MAX_TOP_LOGPROBS
from jubako.dataplane.protocol import Plane
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.answers import chunks, finish_reason, logprobs, usage
from jubako.grpc.v1.conversation import messages, template_variables, tools
from jubako.grpc.v1.fields import whole_number
from jubako.grpc.v1.sampling import constraint, sampling_params
from jubako.grpc.v1.serving import serving
from jubako.identifiers import fresh_id
from jubako.messages import ChatRequest, Choice, Delta, GenerateResult, VersionStatus
from jubako.protos import jubako_v1 as pb

SERVICE: Final = "jubako.v1.ChatService"


async def complete(request: pb.ChatRequest, plane: Plane, call: Call) -> pb.ChatResponse:
    status = serving(plane, request.model, "chat", call)
    return _response(await plane.generate(_asked(request), call.caller), status)


def stream(request: pb.ChatRequest, plane: Plane, call: Call) -> AsyncGenerator[pb.ChatChunk]:
    status = serving(plane, request.model, "chat", call)
    first = pb.ChatChunk(id=_fresh_name(), model=status.model, version=status.version)
    return chunks(first, plane.stream(_asked(request), call.caller), _add)


def _asked(request: pb.ChatRequest) -> ChatRequest:
    found, choice = tools(request)
    return ChatRequest(
        model=request.model,
        messages=messages(request.messages),
        sampling=sampling_params(request.sampling),
        n=whole_number(request, "n", 1, MAX_CHOICES) or 1,
        tools=found,
        tool_choice=choice,
        parallel_tool_calls=not request.HasField("parallel_tool_calls") or request.parallel_tool_calls,
        constraint=constraint(request.constraint),
        top_logprobs=whole_number(request, "top_logprobs", 0, MAX_TOP_LOGPROBS),
        template_kwargs=template_variables(request),
        prompt_logprobs=whole_number(request, "prompt_logprobs", 0, MAX_TOP_LOGPROBS),
    )


def _response(result: GenerateResult, status: VersionStatus) -> pb.ChatResponse:
    return pb.ChatResponse(
        id=_fresh_name(),
        model=status.model,
        version=status.version,
        choices=[_choice(choice) for choice in result.choices],
        usage=usage(result.usage),
        prompt_logprobs=logprobs(next((choice.prompt_logprobs for choice in result.choices), [])),
    )


def _choice(choice: Choice) -> pb.ChatChoice:
    calls = [pb.ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments) for call in choice.tool_calls]
    # Nothing said is a text without characters, unless the model called tools instead.
    said = [pb.ContentPart(text=choice.text)] if choice.text or not calls else []
    return pb.ChatChoice(
        index=choice.index,
        message=pb.Message(role=pb.ROLE_ASSISTANT, content=said, tool_calls=calls, reasoning=choice.reasoning),
        finish_reason=finish_reason(choice.finish_reason),
        logprobs=logprobs(choice.logprobs),
    )


def _add(chunk: pb.ChatChunk, delta: Delta) -> None:
    # Most deltas are text and nothing else: what is not there is not even named.
    added = chunk.deltas.add(index=delta.index, text=delta.text)
    if delta.reasoning:
        added.reasoning = delta.reasoning
    for call in delta.tool_calls:
        added.tool_calls.add(index=call.index, id=call.id, name=call.name, arguments=call.arguments)
    if delta.logprobs:
        added.logprobs.extend(logprobs(delta.logprobs))
    if delta.finish_reason is not None:
        added.finish_reason = finish_reason(delta.finish_reason)
    if delta.prompt_logprobs:
        added.prompt_logprobs.extend(logprobs(delta.prompt_logprobs))


def _fresh_name() -> str:
    return f"chatcmpl-{fresh_id()}"
