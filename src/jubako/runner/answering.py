"""A backend as the channel sees it: requests dispatched to its methods, events summed up for those who do not stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from math import inf

import msgspec

from jubako.backends.base import Backend
from jubako.batching.queue import patience
from jubako.channel.server import CallContext, Cancel, Done, closing
from jubako.errors import Unsupported
from jubako.messages import (
    Caller,
    ChatRequest,
    ClassifyRequest,
    CompletionRequest,
    DetokenizeRequest,
    EmbedRequest,
    GenerateRequest,
    GenerateResult,
    InferRequest,
    InferResult,
    Request,
    Result,
    ScoreRequest,
    StatisticsRequest,
    StatisticsResult,
    StreamEvent,
    Task,
    TokenizeRequest,
)
from jubako.runner.delivery import deliver, receive
from jubako.tensors import Signature

_TASKS: dict[type[Request], Task] = {
    ChatRequest: "chat",
    CompletionRequest: "completion",
    EmbedRequest: "embedding",
    ScoreRequest: "score",
    ClassifyRequest: "classify",
    InferRequest: "infer",
}


class Answers:
    """The channel's :class:`jubako.channel.server.Handler` over one backend, whose loaded model has this signature."""

    def __init__(self, backend: Backend, signature: Signature | None) -> None:
        self._backend = backend
        self._signature = signature
        self._infers = "infer" in backend.spec.tasks
        self._requests = 0
        self._last_request_s = 0.0

    def submit(self, request: InferRequest, done: Done, caller: Caller) -> Cancel | None:
        self._count()
        return self._submit(request, done, caller)

    def _submit(self, request: InferRequest, done: Done, caller: Caller) -> Cancel | None:
        if not self._infers:
            self._require_task(request)
        if caller.deadline < inf:
            request = _in_time(request, caller)
        if not request.outputs:
            return self._backend.submit(receive(request), done)

        def deliver_and_say(outcome: InferResult | Exception) -> None:
            if isinstance(outcome, InferResult):
                try:
                    outcome = deliver(request.outputs, outcome, self._signature)
                except Exception as error:  # the caller's own wishes failed; nobody else must notice
                    outcome = error
            done(outcome)

        return self._backend.submit(receive(request), deliver_and_say)

    def stream(self, request: Request, call: CallContext) -> AsyncIterator[StreamEvent]:
        self._count()
        self._require_task(request)
        match request:
            case ChatRequest() | CompletionRequest():
                return self._backend.generate(request, call)
            case InferRequest():
                return self._infer_stream(request, call)
            case _:
                raise Unsupported(
                    "Only chats, completions and tensors can be streamed. Ask again without streaming.", param="stream"
                )

    async def answer(self, request: Request, call: CallContext) -> Result:
        if not isinstance(request, InferRequest | StatisticsRequest):  # tensors were submitted first, and counted then
            self._count()
        self._require_task(request)
        match request:
            case ChatRequest() | CompletionRequest():
                return await self._generate(request, call)
            case EmbedRequest():
                return await self._backend.embed(request, call)
            case ScoreRequest():
                return await self._backend.score(request, call)
            case ClassifyRequest():
                return await self._backend.classify(request, call)
            case TokenizeRequest():
                return await self._backend.tokenize(request)
            case DetokenizeRequest():
                return await self._backend.detokenize(request)
            case InferRequest():
                return deliver(request.outputs, await self._infer(receive(request), call), self._signature)
            case StatisticsRequest():
                return await self._statistics()

    def _count(self) -> None:
        self._requests += 1
        self._last_request_s = time.time()

    async def _statistics(self) -> StatisticsResult:
        done = await self._backend.read_statistics()
        return msgspec.structs.replace(done, requests=self._requests, last_request_ms=round(self._last_request_s * 1e3))

    async def _generate(self, request: GenerateRequest, call: CallContext) -> GenerateResult:
        events = self._backend.generate(request, call)
        async with closing(events):
            return GenerateResult.from_events([event async for event in events])

    async def _infer(self, request: InferRequest, call: CallContext) -> InferResult:
        if self._signature is not None and self._signature.decoupled:
            raise Unsupported(
                f"The model {self._backend.spec.model!r} may give any number of answers to a request. Ask it by ModelStreamInfer "
                "of gRPC or by generate_stream of HTTP.",
                param="model",
            )
        return await self._backend.infer(request, call)

    async def _infer_stream(self, request: InferRequest, call: CallContext) -> AsyncIterator[InferResult]:
        """All answers of a decoupled model; the only one of any other."""
        if self._signature is None or not self._signature.decoupled:
            yield await self._only_answer(request, call)
            return
        results = self._backend.infer_stream(receive(request), call)
        async with closing(results):
            async for result in results:
                yield deliver(request.outputs, result, self._signature)

    async def _only_answer(self, request: InferRequest, call: CallContext) -> InferResult:
        answer: asyncio.Future[InferResult] = asyncio.get_running_loop().create_future()
        cancel = self._submit(request, lambda outcome: _settle(answer, outcome), call.caller)
        if cancel is None:
            return deliver(request.outputs, await self._infer(receive(request), call), self._signature)
        try:
            return await answer
        finally:
            cancel()

    def _require_task(self, request: Request) -> None:
        spec = self._backend.spec
        if (task := _TASKS.get(type(request))) is not None and task not in spec.tasks:
            serves = ", ".join(spec.tasks) or "nothing"
            raise Unsupported(f"The model {spec.model!r} does not serve the task {task!r}; it serves: {serves}.", param="model")


def _in_time(request: InferRequest, caller: Caller) -> InferRequest:
    """The request, with its caller's deadline as its longest wait in the queue."""
    patience_s = patience(caller.deadline, asyncio.get_running_loop().time())
    if patience_s is None:
        return request
    timeout_us = max(int(patience_s * 1e6), 1)
    return msgspec.structs.replace(request, timeout_us=min(timeout_us, request.timeout_us or timeout_us))


def _settle(answer: asyncio.Future[InferResult], outcome: InferResult | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, InferResult):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)
