"""CompletionService."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from jubako.dataplane.limits import COMPLETION_MAX_TOKENS, MAX_CHOICES, MAX_TOP_LOGPROBS, check_choices
from jubako.dataplane.protocol import Plane
from jubako.grpc.transport.call import Call
from jubako.grpc.v1.answers import chunks, finish_reason, logprobs, usage
from jubako.grpc.v1.fields import prompts, whole_number
from jubako.grpc.v1.sampling import constraint, sampling_params
from jubako.grpc.v1.serving import serving
from jubako.identifiers import fresh_id
from jubako.messages import Choice, CompletionRequest, Delta, SamplingParams
from jubako.protos import jubako_v1 as pb

SERVICE: Final = "jubako.v1.CompletionService"


async def complete(request: pb.CompletionRequest, plane: Plane, call: Call) -> pb.CompletionResponse:
    status = serving(plane, request.model, "completion", call)
    result = await plane.generate(_asked(request), call.caller)
    return pb.CompletionResponse(
        id=_fresh_name(),
        model=status.model,
        version=status.version,
        choices=[_choice(choice) for choice in result.choices],
        usage=usage(result.usage),
    )


def stream(request: pb.CompletionRequest, plane: Plane, call: Call) -> AsyncGenerator[pb.CompletionChunk]:
    status = serving(plane, request.model, "completion", call)
    first = pb.CompletionChunk(id=_fresh_name(), model=status.model, version=status.version)
    return chunks(first, plane.stream(_asked(request), call.caller), _add)


def _asked(request: pb.CompletionRequest) -> CompletionRequest:
    given = prompts(request.prompts, "prompts")
    n = whole_number(request, "n", 1, MAX_CHOICES) or 1
    check_choices(len(given), n)
    return CompletionRequest(
        model=request.model,
        prompts=given,
        sampling=_sampling(request.sampling),
        n=n,
        echo=request.echo,
        constraint=constraint(request.constraint),
        top_logprobs=whole_number(request, "top_logprobs", 0, MAX_TOP_LOGPROBS),
        prompt_logprobs=whole_number(request, "prompt_logprobs", 0, MAX_TOP_LOGPROBS),
    )


def _sampling(given: pb.Sampling) -> SamplingParams:
    params = sampling_params(given)
    return params if params.max_tokens is not None else msgspec.structs.replace(params, max_tokens=COMPLETION_MAX_TOKENS)


def _choice(choice: Choice) -> pb.CompletionChoice:
    return pb.CompletionChoice(
        index=choice.index,
        text=choice.text,
        finish_reason=finish_reason(choice.finish_reason),
        logprobs=logprobs(choice.logprobs),
        prompt_logprobs=logprobs(choice.prompt_logprobs),
    )


def _add(chunk: pb.CompletionChunk, delta: Delta) -> None:
    # Most deltas are text and nothing else: what is not there is not even named.
    added = chunk.deltas.add(index=delta.index, text=delta.text)
    if delta.logprobs:
        added.logprobs.extend(logprobs(delta.logprobs))
    if delta.finish_reason is not None:
        added.finish_reason = finish_reason(delta.finish_reason)
    if delta.prompt_logprobs:
        added.prompt_logprobs.extend(logprobs(delta.prompt_logprobs))


def _fresh_name() -> str:
    return f"cmpl-{fresh_id()}"
