"""A backend as the channel sees it: requests dispatched to its methods, events summed up for those who do not stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jubako.backends.base import Backend
from jubako.channel.server import CallContext
from jubako.errors import Unsupported
from jubako.messages import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    EmbedRequest,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    Request,
    Result,
    Task,
    TokenizeRequest,
)

_TASKS: dict[type[Request], Task] = {ChatRequest: "chat", CompletionRequest: "completion", EmbedRequest: "embedding"}


class Answers:
    """The channel's :class:`jubako.channel.server.Handler` over one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def stream(self, request: Request, call: CallContext) -> AsyncIterator[GenerateEvent]:
        self._require_task(request)
        match request:
            case ChatRequest() | CompletionRequest():
                return self._backend.generate(request, call)
            case _:
                raise Unsupported("Only chat and completions can be streamed. Ask again without streaming.", param="stream")

    async def answer(self, request: Request, call: CallContext) -> Result:
        self._require_task(request)
        match request:
            case ChatRequest() | CompletionRequest():
                return await self._generate(request, call)
            case EmbedRequest():
                return await self._backend.embed(request, call)
            case TokenizeRequest():
                return await self._backend.tokenize(request)
            case DetokenizeRequest():
                return await self._backend.detokenize(request)

    async def _generate(self, request: GenerateRequest, call: CallContext) -> GenerateResult:
        events = self._backend.generate(request, call)
        try:
            return GenerateResult.from_events([event async for event in events])
        finally:
            # Closed here and now: a generator left to the collector would hold the engine's slot until then.
            if (aclose := getattr(events, "aclose", None)) is not None:
                await aclose()

    def _require_task(self, request: Request) -> None:
        spec = self._backend.spec
        if (task := _TASKS.get(type(request))) is not None and task not in spec.tasks:
            serves = ", ".join(spec.tasks) or "nothing"
            raise Unsupported(f"The model {spec.model!r} does not serve the task {task!r}; it serves: {serves}.", param="model")
