"""A model written for Triton's Python backend: batched, or decoupled where its configuration says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from jubako.backends.base import Backend, CallContext, Cancel, Done, ModelSpec
from jubako.backends.triton_python.batched import BatchedModel, TritonEngine
from jubako.backends.triton_python.calls import Calls
from jubako.backends.triton_python.decoupled import DecoupledModel
from jubako.backends.triton_python.model import TritonModel
from jubako.channel.frames import Load
from jubako.messages import InferRequest, InferResult, ModelInfo, StatisticsResult


class TritonPythonBackend(Backend):
    """``TritonPythonModel`` of a ``model.py``."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._answering: Backend

    async def load(self) -> ModelInfo:
        calls = Calls(lambda: self.others, asyncio.get_running_loop())
        model = await asyncio.to_thread(TritonModel.load, self.spec, calls)
        if model.signature.decoupled:
            self._answering = DecoupledModel(self.spec, model)
        else:
            self._answering = BatchedModel(self.spec, TritonEngine(self.spec, model))
        return await self._answering.load()

    async def close(self) -> None:
        await self._answering.close()

    def current_load(self) -> Load:
        return self._answering.current_load()

    def submit(self, request: InferRequest, done: Done) -> Cancel | None:
        return self._answering.submit(request, done)

    async def infer(self, request: InferRequest, call: CallContext) -> InferResult:
        return await self._answering.infer(request, call)

    def infer_stream(self, request: InferRequest, call: CallContext) -> AsyncIterator[InferResult]:
        return self._answering.infer_stream(request, call)

    def statistics(self) -> StatisticsResult:
        return self._answering.statistics()
