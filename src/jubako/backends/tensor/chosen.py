"""A backend that learns only from the loaded model which kind of backend is to answer for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jubako.backends.base import Backend, CallContext, Cancel, Done, ModelSpec
from jubako.channel.frames import Load
from jubako.messages import InferRequest, InferResult, StatisticsResult


class ChosenBackend(Backend):
    """Passes everything on to `answering`, which a subclass chooses, and loads, in its own :meth:`load`."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.answering: Backend

    async def close(self) -> None:
        await self.answering.close()

    def current_load(self) -> Load:
        return self.answering.current_load()

    def submit(self, request: InferRequest, done: Done) -> Cancel | None:
        return self.answering.submit(request, done)

    async def infer(self, request: InferRequest, call: CallContext) -> InferResult:
        return await self.answering.infer(request, call)

    def infer_stream(self, request: InferRequest, call: CallContext) -> AsyncIterator[InferResult]:
        return self.answering.infer_stream(request, call)

    def statistics(self) -> StatisticsResult:
        return self.answering.statistics()
